#include "paxos/outbox.h"

#include "base/checksum.h"
#include "paxos/fields.h"

namespace synod::paxos {

void Outbox::persist(Ballot ballot, Record record, Effects& effects) {
  issued_ = issued_.next();
  effects.push_back(Persist{issued_, ballot, std::move(record)});
  if (planted_ == PlantedBug::answer_before_flush) {
    durable_ = issued_;
  }
}

void Outbox::send(NodeId to, Message message, Effects& effects) {
  if (to == self_) {
    local_.push_back(std::move(message));
  } else {
    effects.push_back(Send{to, std::move(message)});
  }
}

void Outbox::send_durable(NodeId to, Message message, Effects& effects) {
  if (durable_ >= issued_) {
    send(to, std::move(message), effects);
  } else {
    withheld_.push_back(Withheld{issued_, to, std::move(message)});
  }
}

// An Accepted is cumulative, and a Promise says where the log stands now: of those of one ballot to
// one peer only the last needs to leave. A leader asks with each heartbeat; whoever answered all of
// that at once after a long flush would be taught as many times.
bool Outbox::superseded(std::size_t index, Lsn durable) const {
  const auto* accepted = std::get_if<Accepted>(&withheld_[index].message);
  const auto* promise = std::get_if<Promise>(&withheld_[index].message);
  if (accepted == nullptr && promise == nullptr) {
    return false;
  }
  for (std::size_t i = index + 1; i < withheld_.size() && withheld_[i].after <= durable; ++i) {
    const Withheld& later = withheld_[i];
    if (later.to != withheld_[index].to) {
      continue;
    }
    const auto* next_accepted = std::get_if<Accepted>(&later.message);
    const auto* next_promise = std::get_if<Promise>(&later.message);
    if ((accepted != nullptr && next_accepted != nullptr &&
         next_accepted->ballot == accepted->ballot) ||
        (promise != nullptr && next_promise != nullptr &&
         next_promise->ballot == promise->ballot)) {
      return true;
    }
  }
  return false;
}

void Outbox::durable(Lsn lsn, Effects& effects) {
  if (lsn > issued_ || lsn <= durable_) {
    return;
  }
  durable_ = lsn;
  std::size_t count = 0;
  while (count < withheld_.size() && withheld_[count].after <= durable_) {
    if (!superseded(count, durable_)) {
      send(withheld_[count].to, std::move(withheld_[count].message), effects);
      withheld_[count].message = Message{};
    }
    ++count;
  }
  withheld_.erase(withheld_.begin(), withheld_.begin() + static_cast<std::ptrdiff_t>(count));
}

std::uint64_t Outbox::digest() const {
  std::uint64_t h = issued_.value() - durable_.value();
  for (const Withheld& held : withheld_) {
    h = hash_mix(h, hash_mix(issued_.value() - held.after.value(), held.to.value()));
    h = hash_mix(h, hash_of(held.message));
  }
  return h;
}

std::optional<std::string> Outbox::check() const {
  if (durable_ > issued_) {
    return "I4: durable above issued";
  }
  if (!withheld_.empty() && withheld_.front().after <= durable_) {
    return "I4: a message is held that need not be";
  }
  return std::nullopt;
}

}  // namespace synod::paxos
