#include "coordinator/courier.h"

#include <algorithm>
#include <utility>

#include "coordinator/journal_records.h"

namespace synod::coordinator {
namespace {

// A piece is a turn's work on the way: what is written meanwhile waits for no more than that.
constexpr std::size_t sent_log_size_bytes = 256 << 10;
constexpr std::size_t snapshot_part_size_bytes = 256 << 10;
// A link that holds more is given time.
constexpr std::size_t unsent_bytes_high = 4 << 20;
constexpr Duration wait_for_link = Duration::millis(5);
constexpr Duration late_max = Duration::millis(20);
// One that sends a snapshot and says nothing for so long has given up.
constexpr Duration silent_sender = Duration::seconds(3);

}  // namespace

void Courier::send(const paxos::SendLog& e) {
  Job job;
  job.ballot = e.ballot;
  job.log = e;
  begin(e.to, std::move(job));
}

void Courier::send(const paxos::SendSnapshot& e) {
  Job job;
  job.ballot = e.ballot;
  job.snapshot = true;
  begin(e.to, std::move(job));
}

void Courier::begin(NodeId to, Job job) {
  jobs_[to] = std::move(job);
  read_on(to);
}

void Courier::stop(NodeId to) { jobs_.erase(to); }

// Asks for the next piece, when the link has room and it is time.
void Courier::read_on(NodeId to) {
  Job& job = jobs_.at(to);
  job.ticket = ++last_ticket_;
  if (reading_.count(to) != 0) {
    return;  // its answer goes on here
  }
  const bool full = owner_.buffered(to) > unsent_bytes_high;
  const Duration wait = std::max(next_piece_ - lane_.now(), full ? wait_for_link : Duration());
  if (wait > Duration()) {
    lane_.after(wait, scope_.wrap([this, to, ticket = job.ticket] {
      auto it = jobs_.find(to);
      if (it != jobs_.end() && it->second.ticket == ticket) {
        read_on(to);
      }
    }));
  } else if (job.snapshot) {
    reading_[to] = job.ticket;
    owner_.journal(
        ReadSnapshotFile{job.ticket, job.ref.id.slot, job.offset, snapshot_part_size_bytes});
  } else {
    reading_[to] = job.ticket;
    owner_.journal(ReadLog{job.ticket, job.log.first, job.log.last, sent_log_size_bytes});
  }
}

void Courier::sent_piece(std::size_t size_bytes) {
  // What was lost by waiting for the journal is made up for, up to a point.
  next_piece_ = std::max(next_piece_, lane_.now() - late_max) + owner_.time_of(size_bytes);
}

// True if the read was one of ours. If its job is not there any more, the one that took its place
// begins.
bool Courier::answered(std::uint64_t ticket) {
  const auto it = std::find_if(reading_.begin(), reading_.end(),
                               [ticket](const auto& read) { return read.second == ticket; });
  if (it == reading_.end()) {
    return false;
  }
  const NodeId to = it->first;
  reading_.erase(it);
  const auto job = jobs_.find(to);
  if (job != jobs_.end() && job->second.ticket != ticket && job->second.ticket != 0) {
    read_on(to);
  }
  return true;
}

Courier::Job* Courier::find(std::uint64_t ticket, NodeId& to) {
  for (auto& [node, job] : jobs_) {
    if (job.ticket == ticket) {
      to = node;
      return &job;
    }
  }
  return nullptr;
}

void Courier::finish(NodeId to, bool complete) {
  const Job job = std::move(jobs_.at(to));
  jobs_.erase(to);
  paxos::Sent sent;
  sent.now = lane_.now();
  sent.to = to;
  sent.ballot = job.ballot;
  sent.complete = complete;
  sent.snapshot = job.snapshot;
  sent.through = job.snapshot ? job.ref.id.slot : job.log.last;
  sent.chain = paxos::Chain(job.ref.id.chain);
  owner_.core(sent);
}

bool Courier::on(const LogRead& report) {
  const bool ours = answered(report.ticket);
  NodeId to;
  Job* job = find(report.ticket, to);
  if (job == nullptr) {
    return ours;
  }
  if (report.error.has_value()) {
    lane_.log().warning("engine", "log for node {} cannot be read: {}", to.value(),
                        report.error->message);
    if (report.error->code == ErrorCode::corrupt) {
      owner_.unreadable();
    }
    finish(to, false);
    return true;
  }
  std::vector<paxos::Entry> entries;
  std::size_t size_bytes = 0;
  for (const storage::SlotValue& slot : report.slots) {
    size_bytes += slot.bytes.size();
    Result<paxos::RecoveredEntry> entry = to_paxos(slot);
    if (!entry.ok()) {
      finish(to, false);
      return true;
    }
    entries.push_back(std::move(entry).value().entry);
  }
  const paxos::SendLog& log = job->log;
  const Slot last = report.slots.back().slot;
  const paxos::Chain before(report.before_chain);
  paxos::Message message = paxos::Accept{log.ballot, log.first, before, log.chosen, entries};
  if (log.stage) {
    message = paxos::Stage{log.ballot, log.keep, log.first, before, log.chosen, entries};
  }
  sent_piece(size_bytes);
  if (!owner_.send(to, message)) {
    finish(to, false);
  } else if (last >= log.last) {
    finish(to, true);
  } else {
    job->log.first = last.next();
    read_on(to);
  }
  return true;
}

bool Courier::on(const SnapshotFileRead& report) {
  const bool ours = answered(report.ticket);
  NodeId to;
  Job* job = find(report.ticket, to);
  if (job == nullptr) {
    return ours;
  }
  if (report.error.has_value()) {
    lane_.log().warning("engine", "snapshot for node {} cannot be read: {}", to.value(),
                        report.error->message);
    finish(to, false);
    return true;
  }
  bool sent = true;
  if (job->offset == 0) {
    job->ref = report.ref;
    lane_.log().info("engine", "sends the snapshot of slot {} to node {}", job->ref.id.slot.value(),
                     to.value());
    sent = owner_.send(to, peer::SnapshotBegin{job->ballot, job->ref.id, job->ref.file_size_bytes});
  }
  const bool end = report.bytes.empty() || job->offset >= job->ref.file_size_bytes;
  if (sent && end) {
    // Reported when the other side has it: what the core sends next must not come before.
    job->ticket = 0;
    if (!owner_.send(to, peer::SnapshotEnd{job->ballot})) {
      finish(to, false);
    }
    return true;
  }
  sent = sent && owner_.send(to, peer::SnapshotPart{job->ballot, job->offset, report.bytes});
  if (!sent) {
    finish(to, false);
    return true;
  }
  job->offset += report.bytes.size();
  sent_piece(report.bytes.size());
  read_on(to);
  return true;
}

// ---- the other side

void Courier::on(NodeId from, const peer::SnapshotBegin& m, paxos::Ballot promised) {
  if (m.ballot < promised) {
    return;
  }
  if (goes_on(from, m)) {
    return;
  }
  receipt_ = Receipt{from, m.ballot, m.id, m.size_bytes, ++last_ticket_, 0, lane_.now(), false};
  lane_.log().info("engine", "takes the snapshot of slot {} from node {}, {} bytes",
                   m.id.slot.value(), from.value(), m.size_bytes);
  owner_.journal(BeginReceive{receipt_->ticket});
}

// What is here of the file is kept, and the sender told where to go on.
bool Courier::goes_on(NodeId from, const peer::SnapshotBegin& m) {
  const bool same = receipt_.has_value() && !receipt_->ended && receipt_->offset > 0 &&
                    receipt_->id == m.id && receipt_->size_bytes == m.size_bytes;
  if (!same) {
    return false;
  }
  receipt_->from = from;
  receipt_->ballot = m.ballot;
  receipt_->heard = lane_.now();
  lane_.log().info("engine", "goes on with the snapshot of slot {} from node {}, at {} of {} bytes",
                   m.id.slot.value(), from.value(), receipt_->offset, m.size_bytes);
  owner_.send(from, peer::SnapshotFrom{m.ballot, m.id.slot, receipt_->offset});
  return true;
}

void Courier::on(NodeId from, const peer::SnapshotPart& m) {
  if (!receipt_.has_value() || receipt_->from != from || receipt_->ballot != m.ballot) {
    return;
  }
  receipt_->heard = lane_.now();
  if (m.offset != receipt_->offset) {
    return;  // known already; or one before it was lost with its connection, and a begin will come
  }
  receipt_->offset += m.bytes.size();
  owner_.journal(ReceivePart{m.bytes});
}

void Courier::on(NodeId from, const peer::SnapshotEnd& m) {
  if (receipt_.has_value() && receipt_->from == from && receipt_->ballot == m.ballot) {
    receipt_->ended = true;
    owner_.journal(FinishReceive{receipt_->id});
  }
}

void Courier::on(const PartTaken&) {}

bool Courier::receiving() const {
  return receipt_.has_value() && lane_.now() - receipt_->heard < silent_sender;
}

void Courier::on(const SnapshotReceived& report) {
  if (!receipt_.has_value() || receipt_->ticket != report.ticket) {
    return;
  }
  const Receipt receipt = std::move(*receipt_);
  receipt_.reset();
  const bool ok = stage(receipt, report);
  answered_.emplace(receipt.from, peer::SnapshotTaken{receipt.ballot, receipt.id.slot, ok});
  owner_.send(receipt.from, answered_->second);
}

void Courier::on_link_up(NodeId to) {
  if (answered_.has_value() && answered_->first == to) {
    owner_.send(to, answered_->second);
  }
}

bool Courier::stage(const Receipt& receipt, const SnapshotReceived& report) {
  paxos::Membership membership;
  if (report.error.has_value() || !report.ref.has_value()) {
    lane_.log().warning("engine", "snapshot from node {} is of no use: {}", receipt.from.value(),
                        report.error.has_value() ? report.error->message : "not whole");
    return false;
  }
  if (!paxos::decode(report.ref->id.meta, membership)) {
    lane_.log().warning("engine", "snapshot from node {} names no members", receipt.from.value());
    return false;
  }
  owner_.core(paxos::SnapshotStaged{lane_.now(), receipt.ballot, report.ref->id.slot,
                                    paxos::Chain(report.ref->id.chain), membership});
  return true;
}

void Courier::on(NodeId from, const peer::SnapshotTaken& m) {
  auto it = jobs_.find(from);
  if (it != jobs_.end() && it->second.snapshot && it->second.ballot == m.ballot &&
      it->second.ref.id.slot == m.slot) {
    finish(from, m.ok);
  }
}

void Courier::on(NodeId from, const peer::SnapshotFrom& m) {
  auto it = jobs_.find(from);
  if (it == jobs_.end()) {
    return;
  }
  Job& job = it->second;
  if (job.snapshot && job.ballot == m.ballot && job.ref.id.slot == m.slot && job.ticket != 0 &&
      m.offset > job.offset && m.offset <= job.ref.file_size_bytes) {
    job.offset = m.offset;
    read_on(from);
  }
}

}  // namespace synod::coordinator
