#include "paxos/lease.h"

#include <fmt/format.h>

#include "base/checksum.h"

namespace synod::paxos {
namespace {

// The leader counts this part less: clocks that run apart by an eighth are broken.
constexpr std::int64_t drift_part = 8;

}  // namespace

// Who has an empty disk has a new incarnation, too: what it granted before counts as the old one's.
Grants::Grants(const Options& options, const Recovered& recovered)
    : length_(options.lease),
      noted_(recovered.lease),
      waits_(recovered.identity.incarnation != Incarnation() &&
             options.planted != PlantedBug::lease_forgotten_at_restart) {
  if (waits_) {
    waits_until_ = Instant::max();  // until start()
  }
}

void Grants::start(const Step& step) {
  const Duration wait = waits_ ? std::max(noted_, length_) : Duration();
  waits_until_ = step.now + wait;
  if (wait > Duration()) {
    step.note(fmt::format("promises nothing for {} ms: a lease that was granted before may run",
                          wait.millis()));
  }
  if (length_ > noted_) {
    noted_ = length_;
    step.persist(Ballot{}, LeaseRecord{noted_});
  }
}

void Grants::settle(const Step& step) {
  if (length_ < noted_) {
    noted_ = length_;
    step.persist(Ballot{}, LeaseRecord{noted_});
  }
}

void Grants::grant(const Step& step, NodeId from, const Heartbeat& m, Incarnation incarnation) {
  const Duration asked = Duration::millis(m.lease_ms);
  if (m.lease_ms == 0 || asked > length_ || any_put_off()) {
    return;
  }
  holder_ = m.ballot;
  granted_until_ = std::max(granted_until_, step.now + asked);
  step.send_durable(from, LeaseGranted{m.ballot, m.round, m.lease_ms, incarnation});
}

void Grants::release(Ballot holder) {
  if (holder == holder_) {
    granted_until_ = Instant();
  }
}

void Grants::put_off(NodeId from, Ballot ballot, Message message) {
  if (ballot < put_off_ballot_) {
    return;
  }
  if (ballot > put_off_ballot_) {
    put_off_ballot_ = ballot;
    put_off_.clear();
  }
  const auto same = [&](const auto& kept) { return kept.second.index() == message.index(); };
  put_off_.erase(std::remove_if(put_off_.begin(), put_off_.end(), same), put_off_.end());
  put_off_.emplace_back(from, std::move(message));
}

void Grants::forget(Ballot ballot) {
  if (ballot == put_off_ballot_) {
    put_off_ballot_ = Ballot{};
    put_off_.clear();
  }
}

std::vector<std::pair<NodeId, Message>> Grants::take_put_off() {
  put_off_ballot_ = Ballot{};
  return std::exchange(put_off_, {});
}

std::uint64_t Grants::digest() const {
  std::uint64_t h = hash_mix(put_off_ballot_.number, put_off_ballot_.node.value());
  h = hash_mix(h, hash_mix(holder_.number, holder_.node.value()));
  h = hash_mix(h, put_off_.size());
  return hash_mix(h, hash_mix(static_cast<std::uint64_t>(length_.nanos()),
                              static_cast<std::uint64_t>(noted_.nanos())));
}

void LeaseBeats::note(std::uint64_t round, Instant now, Duration lease) {
  while (!beats_.empty() && beats_.front().second + lease <= now) {
    beats_.pop_front();
  }
  beats_.emplace_back(round, now);
}

std::optional<Instant> LeaseBeats::end_of(std::uint64_t round, Duration lease) const {
  const auto it =
      std::lower_bound(beats_.begin(), beats_.end(), round,
                       [](const auto& beat, std::uint64_t sought) { return beat.first < sought; });
  if (it == beats_.end() || it->first != round) {
    return std::nullopt;
  }
  return it->second + lease - lease / drift_part;
}

}  // namespace synod::paxos
