// A damaged log: asking peers for what is missing, and giving others what they miss.
//
// Peers are asked one after the other, again and again, until the journal has all it needs. A peer
// that repairs its own log answers too: with what it can read.
#include <fmt/format.h>

#include <utility>

#include "coordinator/engine.h"
#include "coordinator/journal_records.h"
#include "znode/command.h"

namespace synod::coordinator {
namespace {

// Tickets of reads for others; those of replay, applier and courier lie elsewhere.
constexpr std::uint64_t repair_ticket_base = std::uint64_t{1} << 61;
constexpr std::size_t repair_give_size_bytes = 1 << 20;
constexpr Duration repair_interval = Duration::millis(200);

}  // namespace

// A server that could not read what this ensemble has written is told so before it reads anything.
std::string Engine::objection(const peer::Hello& hello) const {
  const RulesVersion needed = core_.has_value() ? rules_of(core_->membership()) : RulesVersion(1);
  if (hello.rules >= needed || options_.planted == PlantedBug::rules_not_agreed) {
    return "";
  }
  return fmt::format(
      "node {} is of a release that knows rules through {}: it cannot read the log of this "
      "ensemble, whose members were changed by rules {}",
      hello.from.value(), hello.rules.value(), needed.value());
}

void Engine::open_links() {
  peers_ = wanted_peers();
  const bool may_grow =
      options_.reconfig_enabled && !options_.standalone_enabled && !options_.addresses.empty();
  if (peers_.empty() && !may_grow) {
    return;
  }
  peer::LinksOptions links;
  links.self = options_.self;
  links.listen = options_.peer_listen;
  links.others = peers_;
  links.strangers = options_.reconfig_enabled;
  if (const auto own = options_.addresses.find(options_.self); own != options_.addresses.end()) {
    links.introduction = own->second;
  }
  links.rules = options_.release.rules;
  links.format = options_.release.peer_format;
  links.silence_max = options_.election_timeout * 4;
  peer::LinksEvents events;
  events.on_up = [this](NodeId node) {
    step(paxos::LinkUp{lane_.now(), node});
    courier_.on_link_up(node);
    if (node == role_.leader) {
      fail_syncs();
      renew_path();
    }
    end_turn_soon();
  };
  events.on_down = [this](NodeId node, bool refused) {
    step(paxos::LinkDown{lane_.now(), node, refused});
    end_turn_soon();
  };
  events.on_message = [this](NodeId from, peer::PeerMessage message) {
    hear(from, std::move(message));
    end_turn_soon();
  };
  events.on_silent = [this](NodeId node) {
    if (guests_.erase(node) != 0) {
      connect_peers_soon();
    }
  };
  events.identity = [this] {
    if (core_.has_value()) {
      return std::pair(core_->identity().cluster, core_->identity().incarnation);
    }
    const bool known = needs_.has_value() && needs_->identity.has_value();
    return known ? std::pair(needs_->identity->cluster, needs_->identity->incarnation)
                 : std::pair(ClusterId(), Incarnation());
  };
  events.objection = [this](const peer::Hello& hello) { return objection(hello); };
  events.on_failed = [this](const Error& error) { fail(error); };
  links_ = std::make_unique<peer::Links>(lane_, network_, std::move(links), std::move(events));
}

// ---- our own

void Engine::take(RepairNeeds&& r) {
  const bool helped = r.helped;
  const std::string missing = r.first == r.through
                                  ? fmt::format("slot {}", r.first.value())
                                  : fmt::format("slots {}-{}", r.first.value(), r.through.value());
  needs_ = std::move(r);
  const std::string text =
      fmt::format("repairs its log from peers: {} missing ({})", missing, needs_->reason);
  {
    const ports::WriteHold hold(shared_.gate);
    shared_.view.reason = text;
  }
  if (wanted_peers().empty()) {
    fail(Error{ErrorCode::corrupt,
               fmt::format("{} cannot be read, and there is no peer to ask: {}. Restore a backup, "
                           "or see `synod data`",
                           missing, needs_->reason)});
    return;
  }
  if (phase_ != Phase::repairing) {
    phase_ = Phase::repairing;
    lane_.log().warning("engine", "{}", text);
    open_links();
    ask_for_repair_later();
  } else if (helped) {
    repair_rounds_ = 0;
    ask_for_repair(true);
  }
}

void Engine::ask_for_repair_later() {
  if (!std::exchange(repair_armed_, true)) {
    lane_.after(repair_interval, scope_.wrap([this] {
      repair_armed_ = false;
      if (phase_ == Phase::repairing) {
        ask_for_repair(false);
        ask_for_repair_later();
      }
    }));
  }
}

// The same peer again, if it helped; else the next one that is there.
void Engine::ask_for_repair(bool same) {
  if (courier_.receiving()) {
    return;  // a snapshot is on its way
  }
  if (peers_.empty()) {
    return;
  }
  auto it = peers_.find(repair_asked_);
  if (!same || it == peers_.end()) {
    it = peers_.upper_bound(repair_asked_);
    if (it == peers_.end()) {
      it = peers_.begin();
      if (++repair_rounds_ % 25 == 2) {
        lane_.log().error("engine",
                          "slots {}-{} cannot be read here, and no peer that answers has them",
                          needs_->first.value(), needs_->through.value());
      }
    }
  }
  repair_asked_ = it->first;
  links_->send(repair_asked_, peer::RepairAsk{needs_->first, needs_->through, needs_->snapshot});
}

void Engine::hear_own(NodeId, peer::RepairGive&& m) {
  if (phase_ != Phase::repairing) {
    return;
  }
  RepairSlots slots;
  slots.before_chain = m.before.value();
  slots.chosen = m.chosen;
  slots.log_first = m.log_first;
  slots.snapshot = m.snapshot;
  Slot slot = m.first;
  for (const paxos::Entry& entry : m.entries) {
    slots.slots.push_back(storage::SlotValue{slot, {}, 0, encode_entry(entry)});
    slot = slot.next();
  }
  journal(std::move(slots));
}

// ---- others'

void Engine::hear_own(NodeId from, const peer::RepairAsk& m) {
  if (m.snapshot) {
    courier_.send(paxos::SendSnapshot{from, paxos::Ballot{}});
    return;
  }
  const std::uint64_t ticket = repair_ticket_base | ++last_repair_ticket_;
  repair_reads_[ticket] = from;
  journal(ReadLog{ticket, m.first, m.through, repair_give_size_bytes});
}

bool Engine::give_repair(const LogRead& r) {
  auto it = repair_reads_.find(r.ticket);
  if (it == repair_reads_.end()) {
    return false;
  }
  const NodeId to = it->second;
  repair_reads_.erase(it);
  peer::RepairGive give;
  give.chosen = core_.has_value() ? core_->chosen() : Slot();
  give.log_first = r.log_first;
  give.snapshot = r.snapshot;
  if (!r.error.has_value() && !r.slots.empty()) {
    give.first = r.slots.front().slot;
    give.before = paxos::Chain(r.before_chain);
    for (const storage::SlotValue& slot : r.slots) {
      Result<paxos::RecoveredEntry> entry = to_paxos(slot);
      if (!entry.ok()) {
        break;
      }
      give.entries.push_back(std::move(entry).value().entry);
    }
  }
  links_->send(to, std::move(give));
  return true;
}

}  // namespace synod::coordinator
