#include "paxos/acceptor.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/checksum.h"

namespace synod::paxos {

Acceptor::Acceptor(const Options& options, const Recovered& recovered)
    : self_(options.self),
      rules_(options.rules),
      planted_(options.planted),
      incarnation_(recovered.identity.incarnation),
      in_doubt_(recovered.identity.in_doubt),
      promised_(std::max(recovered.promised, recovered.adopted)),
      adopted_(recovered.adopted),
      history_(recovered.chosen, recovered.chosen_chain,
               recovered.membership.empty() ? Membership(recovered.identity.founders)
                                            : recovered.membership,
               options.chains_kept) {
  for (const RecoveredEntry& entry : recovered.tail) {
    history_.extend(Link{entry.chain, entry.entry});
  }
}

void Acceptor::drop_staged() {
  staged_ = Staged{};
  ++staged_changes_;
}

void Acceptor::raise(const Step& step, Ballot ballot) {
  SYNOD_CHECK(ballot >= promised_);
  if (ballot == promised_) {
    return;
  }
  promised_ = ballot;
  drop_staged();
  if (planted_ == PlantedBug::forget_promise) {
    return;
  }
  step.persist(ballot, PromiseRecord{ballot});
}

void Acceptor::set_identity(const IdentityRecord& identity) {
  incarnation_ = identity.incarnation;
  in_doubt_ = identity.in_doubt;
}

bool Acceptor::doubtful() const {
  return in_doubt_ && !history_.membership().votes(self_, incarnation_);
}

void Acceptor::answer_position(const Step& step, NodeId to) const {
  Promise promise;
  promise.ballot = promised_;
  promise.position = position();
  promise.chosen = history_.chosen();
  promise.incarnation = incarnation_;
  promise.rules = rules_;
  promise.doubtful = doubtful();
  if (staged_.ballot == promised_) {
    promise.staged = staged_.ballot;
    promise.staged_keep = staged_.keep;
    promise.staged_through = staged_.last;
  }
  step.send_durable(to, promise);
}

void Acceptor::on_prepare(const Step& step, NodeId from, const Prepare& m) {
  raise(step, m.ballot);
  answer_position(step, from);
}

// True if the message begins (or begins anew) a staging that fits the own log. A teacher that only
// mistook where this node stands is told; one whose history disagrees is not, since it would teach
// the same again.
bool Acceptor::begin_staging(const Step& step, NodeId from, const Stage& m) {
  const std::optional<Chain> own = history_.chain_at(m.keep);
  if (m.first != m.keep.next() || m.keep < history_.chosen() || !own.has_value()) {
    answer_position(step, from);
    return false;
  }
  if (*own != m.before && planted_ != PlantedBug::mix_histories) {
    step.warn(fmt::format("history of ballot {}.{} disagrees with the own log at slot {}",
                          m.ballot.number, m.ballot.node.value(), m.keep.value()));
    return false;
  }
  drop_staged();
  staged_.ballot = m.ballot;
  staged_.keep = m.keep;
  staged_.last = m.keep;
  staged_.chain = *own;
  return true;
}

void Acceptor::on_stage(const Step& step, NodeId from, const Stage& m) {
  raise(step, m.ballot);
  if (adopted_ == m.ballot && !staged_.snapshot) {
    return;
  }
  const bool same = staged_.ballot == m.ballot && staged_.keep == m.keep;
  if (!same && !begin_staging(step, from, m)) {
    return;
  }
  if (m.first > staged_.last.next()) {
    answer_position(step, from);
    return;
  }
  if (m.first == staged_.last.next() && m.before != staged_.chain &&
      planted_ != PlantedBug::mix_histories) {
    step.warn("a staged history does not follow from itself");
    return;
  }
  Slot slot = m.first;
  for (const Entry& entry : m.entries) {
    if (slot == staged_.last.next()) {
      const Chain before = staged_.chain;
      staged_.chain = chain_after(before, slot, entry);
      staged_.last = slot;
      step.persist(m.ballot, StageRecord{m.ballot, m.keep, slot, before, staged_.chain, entry});
      const bool in_journal_only = slot <= m.chosen && entry.kind == EntryKind::batch;
      staged_.links.push_back(
          Link{staged_.chain, Entry{entry.kind, in_journal_only ? nullptr : entry.value}});
      staged_changes_ += entry.kind == EntryKind::membership ? 1 : 0;
    }
    slot = slot.next();
  }
  staged_.chosen = std::max(staged_.chosen, m.chosen);
}

void Acceptor::on_snapshot(const Step& step, const SnapshotStaged& e) {
  if (e.ballot != promised_ || e.slot <= history_.chosen()) {
    return;
  }
  drop_staged();
  staged_.ballot = e.ballot;
  staged_.keep = e.slot;
  staged_.last = e.slot;
  staged_.chain = e.chain;
  staged_.keep_chain = e.chain;
  staged_.chosen = e.slot;
  staged_.snapshot = true;
  staged_.membership = e.membership;
  step.note(fmt::format("snapshot of slot {} is staged", e.slot.value()));
}

void Acceptor::on_adopt(const Step& step, NodeId from, const Adopt& m) {
  raise(step, m.ballot);
  if (adopted_ == m.ballot && history_.last() >= m.last) {
    step.send_durable(from, accepted());
    return;
  }
  if (!can_adopt(m)) {
    answer_position(step, from);
    return;
  }
  perform(step, m);
  step.send_durable(from, accepted());
}

bool Acceptor::can_adopt(const Adopt& m) const {
  const bool taught = staged_.ballot == m.ballot && staged_.keep == m.keep &&
                      staged_.last == m.last && staged_.chain == m.chain;
  const bool had = m.keep == m.last && m.keep >= history_.chosen() && adopted_ != m.ballot &&
                   history_.chain_at(m.keep) == m.chain;
  return taught || (had && !staged_.snapshot) ||
         (planted_ == PlantedBug::mix_histories && staged_.keep == m.keep &&
          staged_.last == m.last);
}

void Acceptor::adopt_own(const Step& step, const Adopt& m) {
  SYNOD_CHECK(m.ballot == promised_);
  perform(step, m);
  step.send_durable(m.ballot.node, accepted());
}

// The one step in which the shown log changes other than by its next slot.
void Acceptor::perform(const Step& step, const Adopt& m) {
  const bool taught = staged_.ballot == m.ballot && staged_.keep == m.keep && m.last > m.keep;
  const bool snapshot = staged_.ballot == m.ballot && staged_.keep == m.keep && staged_.snapshot;
  const Chain chain = taught ? staged_.chain : m.chain;
  step.persist(m.ballot, AdoptRecord{m.ballot, m.keep, m.last, chain, snapshot,
                                     snapshot ? staged_.keep_chain : Chain(0)});
  if (snapshot) {
    history_.replace(m.keep, staged_.keep_chain, staged_.membership);
    step.effects.push_back(InstallSnapshot{m.keep, history_.chain(), history_.membership()});
  } else {
    history_.truncate(m.keep);
  }
  if (taught) {
    for (const Link& link : staged_.links) {
      history_.extend(link);
    }
  }
  adopted_ = m.ballot;
  const Slot chosen = snapshot || taught ? staged_.chosen : Slot(0);
  drop_staged();
  choose(step, chosen);
}

void Acceptor::on_accept(const Step& step, NodeId from, const Accept& m) {
  raise(step, m.ballot);
  if (adopted_ != m.ballot) {
    answer_position(step, from);
    return;
  }
  if (m.first > history_.last().next()) {
    step.send(from, Rewind{m.ballot, history_.last()});
    return;
  }
  if (m.first == history_.last().next() && m.before != history_.chain()) {
    step.warn(fmt::format("slot {} of ballot {}.{} does not follow from the own log",
                          m.first.value(), m.ballot.number, m.ballot.node.value()));
    return;
  }
  // The leader's watermark counts for what is here already, and is durable with what comes.
  const Slot noted = std::min(m.chosen, history_.last());
  Slot slot = m.first;
  for (const Entry& entry : m.entries) {
    if (slot == history_.last().next()) {
      const Chain before = history_.chain();
      history_.append(entry);
      step.persist(m.ballot, AppendRecord{m.ballot, slot, before, history_.chain(),
                                          std::max(history_.chosen(), noted), entry});
    }
    slot = slot.next();
  }
  step.send_durable(from, accepted());
  choose(step, planted_ == PlantedBug::apply_before_chosen ? history_.last() : m.chosen);
}

void Acceptor::append_own(const Step& step, Entry entry) {
  const Chain before = history_.chain();
  history_.append(entry);
  step.persist(adopted_, AppendRecord{adopted_, history_.last(), before, history_.chain(),
                                      history_.chosen(), std::move(entry)});
  step.send_durable(adopted_.node, accepted());
}

void Acceptor::choose(const Step& step, Slot through) {
  through = std::min(through, history_.last());
  if (through > history_.chosen()) {
    history_.choose(through, step.effects);
  }
}

std::vector<Membership> Acceptor::staged_configurations(Slot known_chosen, Slot keep) const {
  std::vector<Membership> in_force;
  const auto next = [&](Slot slot, const Membership& membership) {
    if (slot <= known_chosen) {
      in_force.clear();
    }
    in_force.push_back(membership);
  };
  const bool use_staged = staged_.ballot == promised_ && staged_.keep == keep;
  if (use_staged && staged_.snapshot) {
    next(keep, staged_.membership);
  } else {
    next(history_.chosen(), history_.membership());
    for (const Change& change : history_.changes()) {
      if (change.slot <= keep) {
        next(change.slot, change.membership);
      }
    }
  }
  if (use_staged) {
    Slot slot = keep;
    for (const Link& link : staged_.links) {
      slot = slot.next();
      if (link.entry.kind == EntryKind::readmit || link.entry.kind == EntryKind::membership) {
        next(slot, Membership(in_force.back()).after(link.entry));
      }
    }
  }
  return in_force;
}

Accepted Acceptor::accepted() const {
  Accepted accepted;
  accepted.ballot = adopted_;
  accepted.last = history_.last();
  accepted.incarnation = incarnation_;
  return accepted;
}

void Acceptor::set_membership(const Membership& membership) {
  if (history_.last() == Slot(0)) {
    history_.replace(Slot(0), Chain(0), membership);
  }
}

std::uint64_t Acceptor::digest() const {
  std::uint64_t h = hash_mix(promised_.number, promised_.node.value());
  h = hash_mix(h, hash_mix(adopted_.number, adopted_.node.value()));
  h = hash_mix(h, history_.digest());
  h = hash_mix(h, hash_mix(staged_.ballot.number, staged_.ballot.node.value()));
  h = hash_mix(h, hash_mix(staged_.keep.value(), staged_.last.value()));
  h = hash_mix(h, hash_mix(staged_.chain.value(), staged_.chosen.value()));
  return hash_mix(h, (staged_.snapshot ? 1U : 0U) + (in_doubt_ ? 2U : 0U));
}

std::optional<std::string> Acceptor::check() const {
  if (adopted_ > promised_) {
    return "I1: adopted above promised";
  }
  if (staged_.ballot != Ballot{} && staged_.ballot != promised_) {
    return "I5: staged for a ballot that is not promised";
  }
  return history_.check();
}

}  // namespace synod::paxos
