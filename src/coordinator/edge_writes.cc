// A connection's writes on their way to the engine, and what becomes of them.
#include <algorithm>

#include "base/check.h"
#include "coordinator/edge_connection.h"
#include "coordinator/slow_request.h"

namespace synod::coordinator {
namespace {

constexpr Duration patience_max = Duration::seconds(8);
// A gap names what is wanted once for each write that was too early: answered once in this time.
constexpr Duration gap_quiet = Duration::millis(20);

}  // namespace

void EdgeConnection::push_write(const zkwire::RequestHeader& header, zkwire::OpCode op,
                                znode::CommandRequest request) {
  Write write;
  write.sequence = next_sequence_;
  write.op = op;
  write.command = znode::encode_command(
      {session_, generation_, next_sequence_, identities_, std::move(request)});
  next_sequence_ = next_sequence_.next();
  const std::size_t size_bytes = write.command.size();
  Pending pending;
  pending.kind = Pending::Kind::write;
  pending.header = header;
  pending.number = write.sequence.value();
  pending.since = heard_;
  push(std::move(pending), size_bytes);
  if (writes_.empty()) {
    submitted_at_ = heard_;
  }
  writes_.push_back(std::move(write));
  submit_more();
}

// Writes that may be submitted: those before the first read or sync that is not answered. A read
// must not see what its own session wrote behind it.
std::size_t EdgeConnection::writes_due() const {
  if (pending_reads_ == 0) {
    return writes_.size();
  }
  std::size_t due = 0;
  for (const Pending& pending : pending_) {
    if (pending.kind == Pending::Kind::write) {
      ++due;
    } else if (pending.kind != Pending::Kind::ready) {
      break;
    }
  }
  return due;
}

void EdgeConnection::complete(const Applied& item) {
  if (phase_ != Phase::open || item.generation != generation_ || writes_.empty()) {
    return;
  }
  using Kind = znode::Outcome::Kind;
  const Sequence first = writes_.front().sequence;
  switch (item.outcome.kind) {
    case Kind::applied: break;
    case Kind::moved: close("the session has moved or ended"); return;
    case Kind::repeat:
      if (item.sequence >= first) {
        close("the outcome of a write is lost");  // it lies inside a snapshot
      }
      return;
    case Kind::gap:
      if (item.outcome.wanted < first) {
        close("the log wants a write that was answered");
      } else if (edge_.lane().now() - submitted_at_ >= gap_quiet ||
                 submitted_ < item.outcome.wanted) {
        submit_again_behind(Sequence(item.outcome.wanted.value() - 1));
      }
      return;
    case Kind::stale:
    case Kind::ignored: return;
  }
  if (item.sequence != first) {
    return;
  }
  const auto entry = std::find_if(pending_.begin(), pending_.end(),
                                  [](const Pending& p) { return p.kind == Pending::Kind::write; });
  SYNOD_CHECK(entry != pending_.end());
  SYNOD_CHECK(entry->number == first.value());
  last_zxid_ = item.outcome.zxid.value();
  entry->kind = Pending::Kind::ready;
  zkwire::append_reply(
      entry->payload,
      {entry->header.xid, item.outcome.zxid.value(), static_cast<std::int32_t>(item.outcome.code)},
      item.outcome.reply);
  entry->close_after = writes_.front().op == zkwire::OpCode::close_session;
  edge_.stats().write.add(edge_.turn() - entry->since);
  if (edge_.is_slow(entry->since)) {
    edge_.say_slow(entry->since, slow_write_text(writes_.front().command));
  }
  if (first <= submitted_) {
    edge_.shares().done(share_, writes_.front().command.size());
  }
  writes_.pop_front();
  patience_ = patience_min;
  submitted_at_ = edge_.lane().now();
  edge_.make_ready(id_);
}

void EdgeConnection::path_renewed() {
  request_sent_ = false;
  submit_again_behind(Sequence());
  std::uint64_t sent = 0;
  for (const Pending& p : pending_) {
    if ((p.kind == Pending::Kind::sync || p.kind == Pending::Kind::barred) && p.number != sent) {
      sent = p.number;
      send_sync(sent);
    }
  }
}

// Those up to `last` are still on their way.
void EdgeConnection::submit_again_behind(Sequence last) {
  edge_.shares().forget(share_);
  submitted_ = last;
  for (std::size_t i = 0; i < writes_.size() && writes_[i].sequence <= last; ++i) {
    edge_.shares().submitted(share_, writes_[i].command.size());
  }
  submit_more();
}

void EdgeConnection::submit_more() {
  if (phase_ == Phase::opening && !request_sent_) {
    send_session_request();
  }
  if (phase_ != Phase::open || writes_.empty() || share_.queues) {
    return;
  }
  std::size_t all = SIZE_MAX;
  if (edge_.shares().must_queue() || submit_some(all)) {
    edge_.shares().queue(share_, id_);
  }
}

void EdgeConnection::take_turn() {
  EdgeShares::begin_turn(share_);
  if (phase_ == Phase::open && submit_some(share_.allowance_bytes)) {
    edge_.shares().queue(share_, id_);
  } else {
    share_.allowance_bytes = 0;
  }
}

// As many as the connection may and the allowance suffices for. True if another one waits for a
// turn only.
bool EdgeConnection::submit_some(std::size_t& allowance_bytes) {
  if (writes_.empty()) {
    return false;
  }
  EdgeShares& shares = edge_.shares();
  const Sequence first = writes_.front().sequence;
  std::size_t at =
      submitted_ < first ? 0 : static_cast<std::size_t>(submitted_.value() - first.value() + 1);
  const std::size_t due = writes_due();
  for (; at < due && shares.has_room(share_, writes_[at].command.size()); ++at) {
    const Write& write = writes_[at];
    if (shares.full() || write.command.size() > allowance_bytes) {
      return true;
    }
    if (!edge_.submit(Submit{edge_.options().index, session_, generation_, write.sequence, 0,
                             write.command})) {
      edge_.submit_later();
      return false;
    }
    allowance_bytes -= write.command.size();
    shares.submitted(share_, write.command.size());
    submitted_ = write.sequence;
    submitted_at_ = edge_.lane().now();
  }
  return false;
}

void EdgeConnection::sweep_writes(Instant now) {
  if (phase_ == Phase::opening) {
    if (now - submitted_at_ > patience_min) {
      request_sent_ = false;
      submit_more();
    }
  } else if (share_.in_flight > 0 && now - submitted_at_ > patience_) {
    patience_ = std::min(patience_ * 2, patience_max);
    submit_again_behind(Sequence());
  }
}

}  // namespace synod::coordinator
