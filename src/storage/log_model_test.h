// A log under a random workload, and the model that says what may be found after any crash.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "storage/log.h"

namespace synod::storage {

inline LogOptions small_log_options() {
  LogOptions options;
  options.first_segment_size_bytes = 16 << 10;
  options.segment_size_bytes = 32 << 10;
  options.group_size_bytes = 6 << 10;
  options.fill_step_size_bytes = 8 << 10;
  return options;
}

// What a log amounts to after each of its records.
struct ModelState {
  Checkpoint checkpoint;
  std::map<Slot, Bytes> visible;

  friend bool operator==(const ModelState&, const ModelState&) = default;
};

// Draws records that are allowed, follows them, and remembers every state on the way.
class LogModel {
 public:
  explicit LogModel(std::uint64_t seed) : prng_(seed) { states_.push_back({}); }

  Prng& prng() { return prng_; }
  const LogState& state() const { return state_; }
  std::size_t records() const { return states_.size() - 1; }
  const ModelState& now() const { return states_.back(); }

  Record draw();
  void apply(const Record& record);
  // The log is what it was after `count` records; later ones never happened.
  void rewind(std::size_t count);
  // The newest count >= durable whose state is `found`; nothing if there is none. Slots below
  // `first` need not be found.
  std::optional<std::size_t> match(const ModelState& found, Slot first, std::size_t durable) const;

 private:
  struct Remembered {
    LogState state;
    std::map<Slot, Bytes> visible;
    std::map<Slot, Bytes> staged;
  };

  Record draw_value();
  Record draw_stage();
  Record draw_adopt();
  Bytes draw_bytes();
  std::uint64_t chain_of(Slot slot, const Bytes& bytes) const;

  Prng prng_;
  LogState state_;
  std::map<Slot, Bytes> visible_;
  std::map<Slot, Bytes> staged_;
  std::vector<ModelState> states_;
  std::vector<Remembered> remembered_{Remembered{}};
};

inline Bytes LogModel::draw_bytes() {
  const std::size_t size = prng_.chance(1, 20) ? 9000 : prng_.below(1500);
  return Bytes(size, static_cast<char>('a' + prng_.below(26)));
}

inline Record LogModel::draw_value() {
  Bytes bytes = draw_bytes();
  return Value{state_.adopted, state_.last.next(), prng_.next(), std::move(bytes)};
}

inline Record LogModel::draw_stage() {
  Stage stage;
  stage.chain = prng_.next();
  stage.bytes = draw_bytes();
  if (state_.has_staged() && prng_.chance(9, 10)) {
    stage.ballot = state_.staged_ballot;
    stage.slot = state_.staged_last.next();
    if (prng_.chance(1, 8)) {
      stage.slot = state_.staged_first;
    }
    return stage;
  }
  stage.ballot = Ballot{state_.promised.round + 1, NodeId(1)};
  const std::uint64_t low = std::max(state_.base, state_.chosen).value() + 1;
  stage.slot = Slot(low + prng_.below(state_.last.value() + 2 - low));
  return stage;
}

inline Record LogModel::draw_adopt() {
  Adopt adopt;
  if (!state_.has_staged() || state_.staged_ballot < state_.promised ||
      state_.staged_last < state_.chosen || state_.staged_first > state_.last.next()) {
    adopt.ballot = Ballot{state_.promised.round + 1, NodeId(2)};
    const std::uint64_t low = std::max(state_.base, state_.chosen).value();
    adopt.keep_through = Slot(low + prng_.below(state_.last.value() + 1 - low));
    adopt.last = adopt.keep_through;
    if (prng_.chance(1, 10)) {
      adopt.snapshot = true;
      adopt.keep_through = Slot(state_.last.value() + 3);
      adopt.last = adopt.keep_through;
      adopt.keep_chain = adopt.chain = prng_.next();
      return adopt;
    }
    const auto chain = state_.chain_at(adopt.last);
    adopt.chain = chain.value_or(7);
    return adopt;
  }
  adopt.ballot = state_.staged_ballot;
  adopt.keep_through = Slot(std::min(state_.last.value(), state_.staged_first.value() - 1));
  adopt.last = state_.staged_last;
  adopt.chain = state_.staged_chain;
  return adopt;
}

inline Record LogModel::draw() {
  for (;;) {
    Record record;
    switch (prng_.below(16)) {
      case 0: record = Promise{Ballot{state_.promised.round + prng_.below(2), NodeId(3)}}; break;
      case 1: record = draw_adopt(); break;
      case 2:
      case 3:
      case 4: record = draw_stage(); break;
      case 5: record = Note{static_cast<std::uint32_t>(prng_.below(4)), draw_bytes()}; break;
      case 6: record = Chosen{Slot(prng_.below(state_.last.value() + 1))}; break;
      case 7:
        record = Identity{ClusterId(9), NodeId(1), Incarnation(prng_.next()), "founders"};
        break;
      default: record = draw_value(); break;
    }
    if (!state_.objection(record).has_value()) {
      return record;
    }
  }
}

inline void LogModel::apply(const Record& record) {
  if (const auto* value = std::get_if<Value>(&record)) {
    visible_[value->slot] = value->bytes;
  } else if (const auto* stage = std::get_if<Stage>(&record)) {
    const bool continues = state_.has_staged() && state_.staged_ballot == stage->ballot &&
                           stage->slot >= state_.staged_first &&
                           stage->slot <= state_.staged_last.next();
    if (!continues) {
      staged_.clear();
    }
    staged_.erase(staged_.lower_bound(stage->slot), staged_.end());
    staged_[stage->slot] = stage->bytes;
  } else if (const auto* adopt = std::get_if<Adopt>(&record)) {
    visible_.erase(adopt->snapshot ? visible_.begin() : visible_.upper_bound(adopt->keep_through),
                   visible_.end());
    for (const auto& [slot, bytes] : staged_) {
      if (slot > adopt->keep_through && slot <= adopt->last) {
        visible_[slot] = bytes;
      }
    }
    staged_.clear();
  }
  state_.apply(record);
  states_.push_back({state_.checkpoint(), visible_});
  remembered_.push_back({state_, visible_, staged_});
}

inline void LogModel::rewind(std::size_t count) {
  states_.resize(count + 1);
  remembered_.resize(count + 1);
  state_ = remembered_.back().state;
  visible_ = remembered_.back().visible;
  staged_ = remembered_.back().staged;
}

inline std::optional<std::size_t> LogModel::match(const ModelState& found, Slot first,
                                                  std::size_t durable) const {
  for (std::size_t i = states_.size(); i-- > durable;) {
    ModelState expected = states_[i];
    expected.visible.erase(expected.visible.begin(), expected.visible.lower_bound(first));
    if (expected == found) {
      return i;
    }
  }
  return {};
}

// What an opened log shows.
inline ModelState shown(Log& log) {
  ModelState state;
  state.checkpoint = log.state().checkpoint();
  // The log's own note is no record of the model's.
  std::erase_if(state.checkpoint.notes, [](const Note& n) { return n.key == doubt_note_key; });
  Slot next = log.first_slot();
  while (next <= log.state().last) {
    const auto values = log.read(next, Slot(UINT64_MAX), 5000);
    if (!values.ok() || values->empty()) {
      ADD_FAILURE() << "slot " << next << " cannot be read: "
                    << (values.ok() ? "nothing there" : to_string(values.error()));
      break;
    }
    for (const SlotValue& value : *values) {
      EXPECT_EQ(value.slot, next);
      state.visible[value.slot] = value.bytes;
      next = value.slot.next();
    }
  }
  return state;
}

}  // namespace synod::storage
