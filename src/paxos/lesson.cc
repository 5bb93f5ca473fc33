#include "paxos/lesson.h"

#include <algorithm>

#include "base/checksum.h"

namespace synod::paxos {

void Lesson::stage(const Step& step, NodeId to, const Standing& pupil, const History& history,
                   Slot target) {
  stop(step, to);
  mode_ = Mode::staging;
  target_ = target;
  target_chain_ = history.chain_at(target).value_or(Chain(0));
  const bool prefix = pupil.position.last <= target &&
                      history.chain_at(pupil.position.last) == pupil.position.chain;
  keep_ = prefix ? pupil.position.last : std::min(pupil.chosen, target);
  next_ = keep_.next();
}

void Lesson::accept_after(const Step& step, NodeId to, Slot last) {
  stop(step, to);
  mode_ = Mode::accepting;
  next_ = last.next();
}

void Lesson::stop(const Step& step, NodeId to) {
  if (streaming_) {
    step.effects.push_back(StopSending{to});
    streaming_ = false;
  }
  mode_ = Mode::idle;
}

void Lesson::pump(const Step& step, NodeId to, const History& history, Slot log_first,
                  Slot accepted) {
  bool more = true;
  while (more && !streaming_) {
    switch (mode_) {
      case Mode::idle: more = false; break;
      case Mode::staging: more = stage_some(step, to, history, log_first); break;
      case Mode::accepting: more = accept_some(step, to, history, log_first, accepted); break;
    }
  }
}

bool Lesson::stage_some(const Step& step, NodeId to, const History& history, Slot log_first) {
  if (next_ > target_) {
    step.send(to, Adopt{ballot_, keep_, target_, target_chain_});
    mode_ = Mode::accepting;
    return true;
  }
  if (stream(step, to, history, log_first, target_)) {
    return true;
  }
  Stage m{ballot_,
          keep_,
          next_,
          *history.chain_at(Slot(next_.value() - 1)),
          history.chosen(),
          entries_from(step, history, target_)};
  next_ = Slot(next_.value() + m.entries.size());
  step.send(to, std::move(m));
  return true;
}

bool Lesson::accept_some(const Step& step, NodeId to, const History& history, Slot log_first,
                         Slot accepted) {
  const Slot window_end(accepted.value() + step.options.slots_in_flight_max);
  const Slot last = std::min(history.last(), window_end);
  if (next_ > last) {
    return false;
  }
  if (stream(step, to, history, log_first, last)) {
    return true;
  }
  Accept m{ballot_, next_, *history.chain_at(Slot(next_.value() - 1)), history.chosen(),
           entries_from(step, history, last)};
  next_ = Slot(next_.value() + m.entries.size());
  chosen_sent_ = m.chosen;
  step.send(to, std::move(m));
  return true;
}

// True if the next slots are the journal's matter: asked for, and T1 holds from now on.
bool Lesson::stream(const Step& step, NodeId to, const History& history, Slot log_first,
                    Slot last) {
  if (next_ > history.chosen()) {
    return false;
  }
  if (next_ < log_first || next_ <= history.installed()) {
    step.effects.push_back(SendSnapshot{to, ballot_});
  } else {
    step.effects.push_back(SendLog{to, ballot_, mode_ == Mode::staging, keep_, next_,
                                   std::min(last, history.chosen()), history.chosen()});
  }
  streaming_ = true;
  return true;
}

std::vector<Entry> Lesson::entries_from(const Step& step, const History& history,
                                        Slot through) const {
  std::vector<Entry> entries;
  std::size_t size_bytes = 0;
  for (Slot slot = next_; slot <= through; slot = slot.next()) {
    const Entry& entry = *history.entry_at(slot);
    size_bytes += entry.value->size();
    if (!entries.empty() && size_bytes > step.options.stage_message_size_bytes_max) {
      break;
    }
    entries.push_back(entry);
  }
  return entries;
}

void Lesson::on_sent(const Sent& e) {
  if (!streaming_) {
    return;
  }
  streaming_ = false;
  if (!e.complete) {
    mode_ = Mode::idle;  // the link will come back and the peer will say where it stands
    return;
  }
  next_ = e.through.next();
  if (e.snapshot) {
    mode_ = Mode::staging;
    keep_ = e.through;
    if (target_ < e.through) {
      target_ = e.through;
      target_chain_ = e.chain;
    }
  }
}

std::uint64_t Lesson::digest() const {
  std::uint64_t h = hash_mix(ballot_.number, ballot_.node.value());
  h = hash_mix(h, static_cast<std::uint64_t>(mode_) * 2 + (streaming_ ? 1 : 0));
  h = hash_mix(h, hash_mix(keep_.value(), next_.value()));
  return hash_mix(h, hash_mix(target_.value(), chosen_sent_.value()));
}

}  // namespace synod::paxos
