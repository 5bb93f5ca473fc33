#include "coordinator/edge_connection.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "coordinator/authentication.h"
#include "coordinator/slow_request.h"

namespace synod::coordinator {
namespace {

// Room for the output of a turn from the first: most replies are smaller.
constexpr std::size_t out_begun_bytes = 512;

}  // namespace

EdgeConnection::EdgeConnection(Edge& edge, Id id, std::unique_ptr<ports::Stream> stream)
    : edge_(edge),
      id_(id),
      stream_(std::move(stream)),
      host_(address_identity(stream_->peer().address.host).id),
      address_(ports::to_string(stream_->peer().address)),
      frames_(edge.options().frame_size_bytes_max),
      taken_at_(edge.lane().now()),
      established_(taken_at_),
      heard_(established_) {
  identities_.push_back(address_identity(host_));
}

void EdgeConnection::start() { stream_->attach(edge_.lane(), *this); }

void EdgeConnection::on_bytes(ByteView bytes) {
  if (phase_ == Phase::closing) {
    return;
  }
  heard_ = edge_.lane().now();
  frames_.feed(bytes);
  edge_.make_ready(id_);
  edge_.wake();
}

void EdgeConnection::on_eof() { close("the client has gone"); }

void EdgeConnection::on_drained() {
  if (paused_) {
    edge_.make_ready(id_);
    edge_.wake();
  }
}

void EdgeConnection::on_closed(const Error&) {
  phase_ = Phase::closing;
  edge_.shares().leave(share_);
  edge_.remove(id_);
}

void EdgeConnection::close(const char* why) {
  if (phase_ == Phase::closing) {
    return;
  }
  edge_.lane().log().debug("edge", "closing {} session=0x{:x}: {}", address_,
                           static_cast<std::uint64_t>(session_.value()), why);
  phase_ = Phase::closing;
  edge_.watches().drop(id_);
  edge_.unbind(session_, id_);
  edge_.shares().leave(share_);
  if (!out_.empty()) {
    stream_->write(std::move(out_));
    out_.clear();
  }
  stream_->close();
}

void EdgeConnection::put(ByteView frame) {
  out_.append(frame);
  mark_dirty();
}

void EdgeConnection::mark_dirty() {
  if (!std::exchange(dirty_, true)) {
    out_.reserve(out_begun_bytes);
    edge_.mark_dirty(id_);
  }
}

void EdgeConnection::put_event(ByteView frame) {
  out_.append(frame);
  if (!dirty_ && !std::exchange(told_, true)) {
    edge_.mark_told(id_);
  }
}

void EdgeConnection::touch() {
  if (touched_ != edge_.touch_number()) {
    touched_ = edge_.touch_number();
    edge_.touch(session_);
  }
}

void EdgeConnection::flush_events() {
  told_ = false;
  if (!dirty_) {
    flush();
  }
}

void EdgeConnection::flush() {
  dirty_ = false;
  out_.append(late_);
  late_.clear();
  if (!out_.empty() && phase_ != Phase::closing) {
    written_bytes_ += out_.size();
    stream_->write(std::move(out_));
    out_ = Bytes();
  }
}

bool EdgeConnection::must_wait() const {
  const EdgeOptions& options = edge_.options();
  return phase_ == Phase::opening || pending_.size() >= options.requests_outstanding_max ||
         share_.held_bytes >= options.connection_buffer_bytes_max ||
         unread_bytes() >= options.connection_buffer_bytes_max || edge_.shares().must_wait(share_);
}

void EdgeConnection::run() {
  shared_ticket_ = 0;
  while (phase_ != Phase::closing) {
    if (restore_ != nullptr) {
      return;  // run_later() is called for the rest
    }
    advance();
    if (phase_ == Phase::closing || (phase_ == Phase::fresh && answer_four_letter_word())) {
      return;
    }
    if (must_wait()) {
      if (!paused_) {
        paused_ = true;
        stream_->pause_reading();
      }
      return;
    }
    const std::optional<ByteView> frame = frames_.next_view();
    if (!frame.has_value()) {
      if (frames_.bad()) {
        close("a frame has an impossible length");
      } else if (edge_.draining()) {
        leave();
      } else if (paused_) {
        paused_ = false;
        stream_->resume_reading();
      }
      return;
    }
    take_frame(*frame);
  }
}

void EdgeConnection::go_on() {
  if (restore_ != nullptr) {
    restore_some();
  }
  run();
}

// The server stops, and everything that was read has been taken.
void EdgeConnection::leave() {
  if (pending_.empty()) {
    close("this server stops");
  } else if (!std::exchange(paused_, true)) {
    stream_->pause_reading();
  }
}

void EdgeConnection::take_frame(ByteView frame) {
  ++received_;
  ++edge_.stats().received;
  if (phase_ == Phase::fresh) {
    connect(frame);
    return;
  }
  ByteView body = frame;
  const Result<zkwire::RequestHeader> header = zkwire::decode_request_header(body);
  if (!header.ok()) {
    close("a request without a header");
    return;
  }
  touch();
  if (header->xid > 0) {
    last_xid_ = header->xid;
  }
  last_op_ = header->type;
  take_request(header.value(), body);
}

// --- the FIFO

void EdgeConnection::push_ready(const zkwire::RequestHeader& header, std::int64_t zxid,
                                zkwire::Code code, const zkwire::Reply& reply, bool close_after) {
  Pending pending;
  pending.header = header;
  zkwire::append_reply(pending.payload, {header.xid, zxid, static_cast<std::int32_t>(code)}, reply);
  pending.since = heard_;
  pending.close_after = close_after;
  push(std::move(pending), 0);
}

void EdgeConnection::push(Pending pending, std::size_t held_bytes) {
  pending.held_bytes = held_bytes;
  if (phase_ != Phase::closing) {
    edge_.shares().hold(share_, held_bytes);
  }
  pending_.push_back(std::move(pending));
}

EdgeConnection::Pending EdgeConnection::pop() {
  Pending done = std::move(pending_.front());
  pending_.pop_front();
  if (phase_ != Phase::closing) {
    edge_.shares().let_go(share_, done.held_bytes);
  }
  return done;
}

void EdgeConnection::advance() {
  while (!pending_.empty() && phase_ == Phase::open && restore_ == nullptr) {
    Pending& head = pending_.front();
    if (head.kind == Pending::Kind::write || head.kind == Pending::Kind::sync ||
        head.kind == Pending::Kind::barred) {
      break;
    }
    if (unread_bytes() >= edge_.options().connection_buffer_bytes_max &&
        head.kind == Pending::Kind::deferred) {
      break;  // on_drained goes on: replies are not made faster than they are taken
    }
    const Pending done = pop();
    pending_reads_ -= done.kind == Pending::Kind::ready ? 0 : 1;
    if (done.kind == Pending::Kind::deferred) {
      run_read(done.header, done.payload);
    } else if (done.kind == Pending::Kind::synced) {
      answer_sync(done);
    } else {
      put(done.payload);
    }
    sent_reply(done.since);
    if (done.kind == Pending::Kind::deferred) {
      edge_.stats().read.add(edge_.turn() - done.since);
      if (edge_.is_slow(done.since)) {
        edge_.say_slow(done.since, slow_read_text(session_, done.header, done.payload));
      }
    }
    if (done.close_after) {
      close("the last reply was sent");
    }
  }
  submit_more();
}

// With the state as it is now, at the head: earlier replies cannot show more.
void EdgeConnection::answer_sync(const Pending& done) {
  std::int64_t zxid = 0;
  edge_.with_state([&](const znode::State& state) { zxid = state.last_zxid().value(); });
  if (phase_ == Phase::open) {
    last_zxid_ = zxid;
    zkwire::append_reply(out_, {done.header.xid, zxid, 0}, zkwire::PathReply{done.payload});
    mark_dirty();
  }
}

void EdgeConnection::sent_reply(Instant since) {
  EdgeStats& stats = edge_.stats();
  const auto us =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, (edge_.turn() - since).micros()));
  stats.latency_min_us = stats.latency_count == 0 ? us : std::min(stats.latency_min_us, us);
  stats.latency_max_us = std::max(stats.latency_max_us, us);
  stats.latency_sum_us += us;
  ++stats.latency_count;
  ++stats.sent;
  ++sent_;
}

// --- from the engine

void EdgeConnection::synced(const Synced& item) {
  using Kind = Pending::Kind;
  const auto waits = [&item](const Pending& p) {
    return (p.kind == Kind::sync || p.kind == Kind::barred) && p.number == item.ticket;
  };
  if (phase_ != Phase::open || std::none_of(pending_.begin(), pending_.end(), waits)) {
    return;
  }
  if (!item.ok) {
    // The number is kept: whichever answer comes first counts.
    edge_.lane().after(Duration::millis(50),
                       edge_.scope().wrap([this, &edge = edge_, id = id_, ticket = item.ticket] {
                         if (edge.has(id)) {
                           send_sync(ticket);
                         }
                       }));
    return;
  }
  for (Pending& pending : pending_) {
    if (waits(pending)) {
      pending.kind = pending.kind == Kind::sync ? Kind::synced : Kind::deferred;
    }
  }
  edge_.forget_ticket(item.ticket);
  edge_.make_ready(id_);
}

void EdgeConnection::changed(const znode::SessionEffect& effect) {
  using Kind = znode::SessionEffect::Kind;
  if (phase_ != Phase::open) {
    return;
  }
  if (effect.kind == Kind::attached && generation_ < effect.generation) {
    close("the session was attached elsewhere");
  } else if (effect.kind == Kind::expired) {
    close("the session has expired");
  }
}

void EdgeConnection::deliver(const znode::Trigger& trigger, const Bytes& frame) {
  if (phase_ != Phase::open ||
      !znode::permits(*trigger.acl, zkwire::perm::read, identities_, edge_.switches())) {
    return;
  }
  if (edge_.options().planted == PlantedBug::watch_after_reply) {
    late_.append(frame);
    mark_dirty();
  } else {
    put_event(frame);
  }
  ++sent_;
  ++edge_.stats().sent;
  if (stream_->buffered() + out_.size() > edge_.options().events_unread_bytes_max) {
    cut("the client does not read its events");
  }
}

void EdgeConnection::sweep(Instant now, bool serving_lost) {
  if (phase_ == Phase::closing) {
    return;
  }
  if (phase_ != Phase::open) {
    if (now - established_ > edge_.options().handshake_timeout || serving_lost) {
      close("no session was established in time");
    } else {
      sweep_writes(now);
    }
    return;
  }
  // It waits for us, not we for it.
  const bool waits = !pending_.empty() || paused_;
  if (waits) {
    touch();
  }
  if (serving_lost) {
    close("this replica has lost the ensemble");
  } else if (!waits && now - heard_ > Duration::millis(timeout_ms_)) {
    close("nothing was heard for the session's timeout");
  } else if (!takes_output(now)) {
    cut("the client does not read what it is sent");
  } else {
    sweep_writes(now);
  }
}

// False: something waits for the client, and it has taken nothing for its session's timeout.
bool EdgeConnection::takes_output(Instant now) {
  const std::uint64_t taken = written_bytes_ - stream_->buffered();
  if (taken != taken_bytes_ || stream_->buffered() == 0) {
    taken_at_ = now;
  }
  taken_bytes_ = taken;
  return now - taken_at_ <= Duration::millis(timeout_ms_);
}

void EdgeConnection::cut(const char* why) {
  edge_.lane().log().warning("edge", "cuts {} session=0x{:x}: {}, {} bytes wait for it", address_,
                             static_cast<std::uint64_t>(session_.value()), why, unread_bytes());
  ++edge_.stats().clients_cut;
  close(why);
}

std::string EdgeConnection::summary() const {
  return fmt::format(" /{}[1](queued={},recved={},sent={})", address_, pending_.size(), received_,
                     sent_);
}

std::string EdgeConnection::details(Instant now) const {
  std::string text = fmt::format(" /{}[1](queued={},recved={},sent={}", address_, pending_.size(),
                                 received_, sent_);
  if (phase_ == Phase::open) {
    text +=
        fmt::format(",sid=0x{:x},lop={},est={},to={}", static_cast<std::uint64_t>(session_.value()),
                    last_op_ == 0 ? "NA" : zkwire::to_string(static_cast<zkwire::OpCode>(last_op_)),
                    (now - established_).millis(), timeout_ms_);
    if (last_xid_ >= 0) {
      text += fmt::format(",lcxid=0x{:x}", last_xid_);
    }
    text += fmt::format(",lzxid=0x{:x},lresp={}", static_cast<std::uint64_t>(last_zxid_),
                        (heard_ - Instant()).millis());
  }
  return text + ")";
}

}  // namespace synod::coordinator
