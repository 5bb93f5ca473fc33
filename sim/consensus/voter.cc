#include "sim/consensus/voter.h"

#include <fmt/format.h>

#include <sstream>
#include <utility>

#include "coordinator/journal_records.h"
#include "sim/network.h"

namespace synod::sim::consensus {

using paxos::Effects;

void Bus::join(Voter& voter) {
  for (auto& [node, other] : voters_) {
    if (node != voter.self()) {
      other->link(voter.self(), true, false);
      voter.link(node, true, false);
    }
  }
  voters_[voter.self()] = &voter;
}

void Bus::leave(Voter& voter, bool peers_hear) {
  voters_.erase(voter.self());
  if (peers_hear) {
    for (auto& [node, other] : voters_) {
      other->link(voter.self(), false, true);
    }
  }
}

Voter* Bus::find(NodeId node) const {
  auto it = voters_.find(node);
  return it == voters_.end() ? nullptr : it->second;
}

void Bus::send(Voter& from, NodeId to, paxos::Message message) {
  if (world_.current_ended() || (lost_once_in != 0 && world_.own_prng().chance(1, lost_once_in))) {
    return;
  }
  const auto latency = Duration::micros(world_.own_prng().between(50, 2000));
  Instant& last = last_[{from.self(), to}];
  last = std::max(last + Duration::nanos(1), world_.here() + latency);
  const std::string source = from.process().machine().name();
  const NodeId sender = from.self();
  // It leaves only if its process lives when its Lane gets there.
  world_.schedule(
      world_.here(), &from.process(),
      [this, source, sender, to, at = last, message = std::move(message)]() mutable {
        world_.schedule(at, nullptr, [this, source, sender, to, message = std::move(message)] {
          Voter* target = find(to);
          if (target != nullptr &&
              !world_.network().is_cut(source, target->process().machine().name())) {
            target->hear(sender, message);
          }
        });
      });
}

Voter::Voter(SimProcess& process, Bus& bus, Ledger& ledger, NodeId self, std::uint32_t voters,
             PlantedBug planted)
    : process_(process),
      journal_lane_(process.add_lane("journal")),
      bus_(bus),
      ledger_(ledger),
      self_(self) {
  options_.self = self;
  for (std::uint32_t node = 1; node <= voters; ++node) {
    paxos::Member member;
    member.node = NodeId(node);
    options_.configured.push_back(member);
  }
  options_.fresh_incarnation = Incarnation(process.main_lane().entropy().next());
  options_.fresh_cluster = ClusterId(process.main_lane().entropy().next());
  options_.planted = planted;
  journal_options_.log_directory = "/log";
  journal_options_.snapshot_directory = "/snapshots";
  journal_options_.log.first_segment_size_bytes = 64 << 10;
  journal_options_.log.segment_size_bytes = 256 << 10;
  journal_options_.planted = planted;
  journal_ = std::make_unique<coordinator::Journal>(
      journal_lane_, process.disk(), journal_options_,
      ports::Sender<coordinator::JournalReport>(
          process.main_lane(), scope_.wrap([this](coordinator::JournalReport report) {
            on_report(std::move(report));
          })));
  journal_commands_ = journal_->commands();
}

Voter::~Voter() { bus_.leave(*this, process_.machine().powered()); }

void Voter::command(coordinator::JournalCommand command) {
  // The journal's Lane may have met the end of the power already.
  SYNOD_CHECK(journal_commands_.try_send(std::move(command)) || process_.world().current_ended() ||
              !process_.machine().disk().powered());
}

bool Voter::propose(const std::string& value) {
  if (!core_ || !core_->can_propose()) {
    return false;
  }
  ledger_.proposals[value].proposed = ++ledger_.clock;
  mine_.insert(value);
  step(paxos::Propose{now(), paxos::make_entry(paxos::EntryKind::batch, value)});
  return true;
}

void Voter::hear(NodeId from, const paxos::Message& message) {
  process_.main_lane().deliver(process_.world().here(), scope_.wrap([this, from, message] {
    step(paxos::Received{now(), from, message});
  }));
}

void Voter::link(NodeId peer, bool up, bool refused) {
  process_.main_lane().deliver(process_.world().here(), scope_.wrap([this, peer, up, refused] {
    if (up) {
      step(paxos::LinkUp{now(), peer});
    } else {
      step(paxos::LinkDown{now(), peer, refused});
    }
  }));
}

std::string Voter::describe() const {
  std::ostringstream out;
  if (core_) {
    out << self_ << ": " << *core_;
  } else {
    out << self_ << ": not open";
  }
  return out.str();
}

void Voter::on_report(coordinator::JournalReport report) {
  if (const auto* opened = std::get_if<coordinator::Opened>(&report)) {
    on_opened(*opened);
  } else if (const auto* flushed = std::get_if<coordinator::Flushed>(&report)) {
    step(paxos::Durable{now(), flushed->ballot, flushed->lsn});
  } else if (const auto* read = std::get_if<coordinator::LogRead>(&report)) {
    on_read(*read);
  } else if (const auto* failed = std::get_if<coordinator::JournalFailed>(&report)) {
    process_.main_lane().log().error("voter", "journal: {}", to_string(failed->error));
    process_.world().note("journal failed: " + to_string(failed->error));
  }
}

void Voter::on_opened(const coordinator::Opened& opened) {
  paxos::Recovered recovered;
  const auto node = coordinator::to_paxos(opened.state);
  SYNOD_CHECK(node.ok());
  recovered.identity = node->identity;
  recovered.promised = node->promised;
  recovered.adopted = node->adopted;
  recovered.log_first = opened.log_first;
  recovered.doubtful = node->doubtful;
  for (const storage::SlotValue& value : opened.tail) {
    auto entry = coordinator::to_paxos(value);
    SYNOD_CHECK(entry.ok());
    recovered.tail.push_back(std::move(entry).value());
  }
  core_ = std::make_unique<paxos::Core>(options_, recovered);
  step(paxos::Started{now()});
  bus_.join(*this);
  std::deque<paxos::Event> early;
  early.swap(early_);
  for (const paxos::Event& event : early) {
    step(event);
  }
}

void Voter::step(const paxos::Event& event) {
  if (!core_) {
    early_.push_back(event);
    return;
  }
  Effects effects;
  core_->step(event, effects);
  for (paxos::Effect& effect : effects) {
    perform(effect);
  }
  if (const auto broken = core_->check()) {
    SYNOD_CHECK(options_.planted != PlantedBug::none);
  }
  if (!std::holds_alternative<paxos::TurnEnded>(event) && !turn_end_posted_) {
    turn_end_posted_ = true;
    process_.main_lane().deliver(process_.world().here(), scope_.wrap([this] {
      turn_end_posted_ = false;
      step(paxos::TurnEnded{now()});
    }));
  }
}

void Voter::perform(paxos::Effect& effect) {
  if (auto* persist = std::get_if<paxos::Persist>(&effect)) {
    command(coordinator::WriteRecords{persist->lsn, persist->ballot,
                                      coordinator::to_storage(persist->record, self_)});
  } else if (auto* send = std::get_if<paxos::Send>(&effect)) {
    bus_.send(*this, send->to, std::move(send->message));
  } else if (auto* deliver = std::get_if<paxos::Deliver>(&effect)) {
    deliveries_.push_back(*deliver);
    deliver_next();
  } else if (auto* range = std::get_if<paxos::DeliverFromLog>(&effect)) {
    deliveries_.push_back(Range{range->first, range->last});
    deliver_next();
  } else if (auto* log = std::get_if<paxos::SendLog>(&effect)) {
    read(Reading{*log, log->first}, log->last);
  } else if (auto* alarm = std::get_if<paxos::WakeAt>(&effect)) {
    process_.main_lane().cancel(alarm_);
    alarm_ = process_.main_lane().after(alarm->at - now(),
                                        scope_.wrap([this] { step(paxos::Tick{now()}); }));
  } else if (auto* note = std::get_if<paxos::Note>(&effect)) {
    process_.main_lane().log().info("core", "{}", note->text);
  }
}

void Voter::read(Reading reading, Slot last) {
  const std::uint64_t ticket = ticket_next_++;
  coordinator::ReadLog command_to_read;
  command_to_read.ticket = ticket;
  command_to_read.from = reading.next;
  command_to_read.through = last;
  command_to_read.size_bytes_max = 4096;
  readings_[ticket] = std::move(reading);
  command(command_to_read);
}

void Voter::on_read(const coordinator::LogRead& read_back) {
  auto it = readings_.find(read_back.ticket);
  SYNOD_CHECK(it != readings_.end());
  Reading reading = std::move(it->second);
  readings_.erase(it);
  std::vector<paxos::Entry> entries;
  for (const storage::SlotValue& value : read_back.slots) {
    auto entry = coordinator::to_paxos(value);
    SYNOD_CHECK(entry.ok());
    entries.push_back(entry->entry);
  }
  const bool failed = read_back.error.has_value() || entries.empty();
  if (!reading.send) {
    SYNOD_CHECK(!failed);
    reading_delivery_ = false;
    Range& range = std::get<Range>(deliveries_.front());
    for (const paxos::Entry& entry : entries) {
      apply(entry);
      range.next = range.next.next();
    }
    if (range.next > range.last) {
      deliveries_.pop_front();
    }
    deliver_next();
    return;
  }
  const paxos::SendLog& send = *reading.send;
  if (failed) {
    step(paxos::Sent{now(), send.to, send.ballot, false, false, Slot(), paxos::Chain()});
    return;
  }
  const Slot first = reading.next;
  const Slot last(first.value() + entries.size() - 1);
  const paxos::Chain before(read_back.before_chain);
  if (send.stage) {
    bus_.send(*this, send.to,
              paxos::Stage{send.ballot, send.keep, first, before, send.chosen, entries});
  } else {
    bus_.send(*this, send.to, paxos::Accept{send.ballot, first, before, send.chosen, entries});
  }
  if (last < send.last) {
    read(Reading{send, last.next()}, send.last);
  } else {
    step(paxos::Sent{now(), send.to, send.ballot, true, false, send.last, paxos::Chain()});
  }
}

// In order: what must be read first holds back what comes behind it.
void Voter::deliver_next() {
  while (!deliveries_.empty() && !reading_delivery_) {
    if (const auto* range = std::get_if<Range>(&deliveries_.front())) {
      reading_delivery_ = true;
      read(Reading{std::nullopt, range->next}, range->last);
      return;
    }
    apply(std::get<paxos::Deliver>(deliveries_.front()).entry);
    deliveries_.pop_front();
  }
}

void Voter::apply(const paxos::Entry& entry) {
  const bool batch = entry.kind == paxos::EntryKind::batch;
  chosen_.push_back(batch ? *entry.value : "");
  if (batch && mine_.erase(*entry.value) != 0) {
    ledger_.proposals[*entry.value].acknowledged = ++ledger_.clock;
  }
}

}  // namespace synod::sim::consensus
