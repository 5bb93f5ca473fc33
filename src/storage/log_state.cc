#include "storage/log_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace synod::storage {
namespace {

using Objection = std::optional<std::string>;

Slot before(Slot slot) { return Slot(slot.value() - 1); }

struct Judge {
  const LogState& s;

  Objection operator()(const Value& r) const {
    if (r.slot != s.last.next()) {
      return fmt::format("value of slot {} after slot {}", r.slot.value(), s.last.value());
    }
    return {};
  }
  Objection operator()(const Stage& r) const {
    if (r.slot.value() == 0 || r.slot.value() == UINT64_MAX) {
      return "stage of an impossible slot";
    }
    return {};
  }
  Objection operator()(const Promise& r) const {
    if (r.ballot < s.promised) {
      return "promise below an earlier one";
    }
    return {};
  }
  Objection operator()(const Adopt& r) const {
    if (r.ballot < s.adopted || r.ballot < s.promised) {
      return "adopt of a ballot below the promised one";
    }
    const bool inside = r.keep_through >= s.base && r.keep_through <= s.last;
    if ((!r.snapshot && !inside) || r.last < r.keep_through) {
      return fmt::format("adopt keeps through {} of {}-{}", r.keep_through.value(),
                         s.base.value() + 1, s.last.value());
    }
    if (r.last < s.chosen) {
      return fmt::format("adopt drops chosen slots above {}", r.last.value());
    }
    if (r.last == r.keep_through) {
      const auto chain = r.snapshot ? r.keep_chain : s.chain_at(r.last);
      if (chain.has_value() && *chain != r.chain) {
        return "adopt of a history with another chain";
      }
      return {};
    }
    const bool covered = s.has_staged() && s.staged_ballot == r.ballot &&
                         s.staged_first <= r.keep_through.next() && s.staged_last >= r.last;
    if (!covered) {
      return "adopt of slots that were not staged";
    }
    const std::size_t from_end = s.staged_last.value() - r.last.value();
    if (from_end < s.staged_chains.size() &&
        s.staged_chains[s.staged_chains.size() - 1 - from_end] != r.chain) {
      return "adopt of staged slots with another chain";
    }
    return {};
  }
  Objection operator()(const Identity&) const { return {}; }
  Objection operator()(const Chosen& r) const {
    if (r.slot > s.last) {
      return fmt::format("chosen {} above the last slot {}", r.slot.value(), s.last.value());
    }
    return {};
  }
  Objection operator()(const Note&) const { return {}; }
  Objection operator()(const Checkpoint&) const { return {}; }
};

// Shows the staged chains of (keep_through, last] as visible ones.
void show_staged(LogState& s, const Adopt& r) {
  const std::size_t count = r.last.value() - r.keep_through.value();
  const std::size_t drop_at_end = s.staged_last.value() - r.last.value();
  const std::size_t known = s.staged_chains.size();
  if (known < drop_at_end + count) {
    // The first staged segments are gone from memory: only what is known can be shown.
    s.chains.clear();
    s.chains_first = r.last.next();
    return;
  }
  for (std::size_t i = known - drop_at_end - count; i < known - drop_at_end; ++i) {
    s.chains.push_back(s.staged_chains[i]);
  }
}

void drop_chains_above(LogState& s, Slot keep_through) {
  if (keep_through < s.chains_first) {
    s.chains.clear();
    s.chains_first = keep_through.next();
    return;
  }
  s.chains.resize(keep_through.value() - s.chains_first.value() + 1);
}

void clear_staged(LogState& s) {
  s.staged_ballot = Ballot{};
  s.staged_first = Slot(1);
  s.staged_last = Slot();
  s.staged_chain = 0;
  s.staged_chains.clear();
}

struct Applier {
  LogState& s;

  void operator()(const Value& r) const {
    if (s.chains.empty()) {
      s.chains_first = r.slot;
    }
    s.chains.push_back(r.chain);
    s.last = r.slot;
    s.last_chain = r.chain;
  }
  void operator()(const Stage& r) const {
    const bool continues = s.has_staged() && s.staged_ballot == r.ballot &&
                           r.slot >= s.staged_first && r.slot <= s.staged_last.next();
    if (!continues) {
      clear_staged(s);
      s.staged_ballot = r.ballot;
      s.staged_first = r.slot;
      s.staged_last = before(r.slot);
    }
    const std::size_t drop = s.staged_last.value() + 1 - r.slot.value();
    s.staged_chains.resize(s.staged_chains.size() - std::min(drop, s.staged_chains.size()));
    s.staged_chains.push_back(r.chain);
    s.staged_last = r.slot;
    s.staged_chain = r.chain;
  }
  void operator()(const Promise& r) const { s.promised = r.ballot; }
  void operator()(const Adopt& r) const {
    if (r.snapshot) {
      s.base = r.keep_through;
      s.base_chain = r.keep_chain;
      s.chosen = std::max(s.chosen, r.keep_through);
      drop_chains_above(s, Slot());
      s.chains_first = r.keep_through.next();
    } else {
      drop_chains_above(s, r.keep_through);
    }
    if (r.last > r.keep_through) {
      show_staged(s, r);
    }
    s.last = r.last;
    s.last_chain = r.chain;
    s.adopted = r.ballot;
    s.promised = std::max(s.promised, r.ballot);
    clear_staged(s);
  }
  void operator()(const Identity& r) const { s.identity = r; }
  void operator()(const Chosen& r) const { s.chosen = std::max(s.chosen, r.slot); }
  void operator()(const Note& r) const {
    if (r.bytes.empty()) {
      s.notes.erase(r.key);
    } else {
      s.notes[r.key] = r.bytes;
    }
  }
  void operator()(const Checkpoint&) const {}
};

}  // namespace

std::optional<std::uint64_t> LogState::chain_at(Slot slot) const {
  if (slot.value() == 0) {
    return 0;
  }
  if (slot == last) {
    return last_chain;
  }
  if (slot == base) {
    return base_chain;
  }
  if (slot < chains_first || slot.value() - chains_first.value() >= chains.size()) {
    return {};
  }
  return chains[slot.value() - chains_first.value()];
}

std::optional<std::string> LogState::objection(const Record& record) const {
  return std::visit(Judge{*this}, record);
}

void LogState::apply(const Record& record) { std::visit(Applier{*this}, record); }

void LogState::forget_chains_through(Slot slot) {
  while (!chains.empty() && chains_first <= slot) {
    chains.pop_front();
    chains_first = chains_first.next();
  }
}

Checkpoint LogState::checkpoint() const {
  Checkpoint c;
  c.promised = promised;
  c.adopted = adopted;
  c.has_identity = identity.has_value();
  c.identity = identity.value_or(Identity{});
  c.chosen = chosen;
  c.base = base;
  c.base_chain = base_chain;
  c.last = last;
  c.last_chain = last_chain;
  c.staged_ballot = staged_ballot;
  c.staged_first = staged_first;
  c.staged_last = staged_last;
  c.staged_chain = staged_chain;
  for (const auto& [key, bytes] : notes) {
    c.notes.push_back(Note{key, bytes});
  }
  return c;
}

LogState LogState::from_checkpoint(const Checkpoint& c) {
  LogState s;
  s.promised = c.promised;
  s.adopted = c.adopted;
  if (c.has_identity) {
    s.identity = c.identity;
  }
  s.chosen = c.chosen;
  s.base = c.base;
  s.base_chain = c.base_chain;
  s.last = c.last;
  s.last_chain = c.last_chain;
  s.staged_ballot = c.staged_ballot;
  s.staged_first = c.staged_first;
  s.staged_last = c.staged_last;
  s.staged_chain = c.staged_chain;
  for (const Note& note : c.notes) {
    s.notes[note.key] = note.bytes;
  }
  s.chains_first = c.last.next();
  if (c.last.value() > 0) {
    s.chains_first = c.last;
    s.chains.push_back(c.last_chain);
  }
  return s;
}

}  // namespace synod::storage
