#include "machine/stream.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/fifo.h"
#include "machine/lane.h"
#include "machine/watch.h"

namespace synod::machine {
namespace {

// How long a closing Stream tries to send what is queued, and then listens for the peer's end.
constexpr Duration close_timeout = Duration::seconds(3);
constexpr Duration linger_timeout = Duration::seconds(1);
// Reads of one turn before other descriptors get theirs.
constexpr int turn_reads_max = 4;
constexpr std::size_t turn_pieces_max = 64;

// What outlives the Stream while its Lane still holds tasks for it, or while it lingers.
class Core final : public TurnEnd, private WatchOwner, public std::enable_shared_from_this<Core> {
 public:
  Core(std::unique_ptr<Transport> transport, ports::Peer peer)
      : transport_(std::move(transport)), peer_(std::move(peer)) {}

  ~Core() override { release_descriptor(); }

  void attach(ports::Lane& lane, ports::StreamHandler& handler) {
    SYNOD_CHECK(lane_ == nullptr);
    lane_ = static_cast<ThreadLane*>(&lane);
    handler_ = &handler;
    watch_ = std::make_unique<Watch>(*lane_, static_cast<WatchOwner&>(*this));
    const bool pending = transport_->has_pending();
    if (!watch_->open(transport_->descriptor(), !paused_ && !pending)) {
      finish(Error{ErrorCode::unsupported, "watch descriptor: an ordinary file"});
      return;
    }
    arm_read();
  }

  void write(Bytes bytes) {
    if (handler_ == nullptr || closing_ || write_ended_ || finished_ || bytes.empty()) {
      return;
    }
    buffered_ += bytes.size();
    queue_.push_back(std::move(bytes));
    schedule_flush();
  }

  std::size_t buffered() const { return buffered_; }

  void pause() { paused_ = true; }
  void resume() {
    if (closing_) {
      return;
    }
    paused_ = false;
    arm_read();
  }

  void shutdown_write() {
    if (!write_ended_) {
      write_ended_ = true;
      schedule_flush();
    }
  }

  void close() {
    if (closing_ || finished_ || handler_ == nullptr) {
      return;
    }
    closing_ = true;
    paused_ = true;
    set_timer(close_timeout, &Core::on_close_timeout);
    schedule_flush();
  }

  // The user is gone: no callback from here on.
  void abandon() {
    handler_ = nullptr;
    if (!lingering_) {
      shut();
    }
  }

  const ports::Peer& peer() const { return peer_; }

 private:
  // --- reading

  void arm_read() {
    if (reading_ != Wait::none || paused_ || read_ended_ || finished_ || lane_ == nullptr) {
      return;
    }
    if (!transport_->has_pending()) {
      wait_to_read(Wait::readable);
      return;
    }
    reading_ = Wait::task;
    lane_->post([self = shared_from_this()] {
      self->reading_ = Wait::none;
      if (!self->finished_ && self->handler_ != nullptr) {
        self->on_readable();
      }
    });
  }

  void on_readable() {
    if (lingering_) {
      swallow();
      return;
    }
    Bytes& scratch = lane_->scratch();
    for (int i = 0; i < turn_reads_max && !paused_ && !finished_ && handler_ != nullptr; ++i) {
      IoResult got = transport_->read(scratch.data(), scratch.size());
      switch (got.kind) {
        case IoResult::Kind::done: handler_->on_bytes(ByteView(scratch.data(), got.size)); break;
        case IoResult::Kind::want_read: arm_read(); return;
        case IoResult::Kind::want_write: wait_to_read(Wait::writable); return;
        case IoResult::Kind::end_of_file: on_end_of_file(); return;
        case IoResult::Kind::failed: finish(got.error); return;
      }
      if (got.size < scratch.size()) {
        break;  // drained; what came since shows when armed again
      }
    }
    arm_read();
  }

  void on_end_of_file() {
    read_ended_ = true;
    const bool both = write_ended_ && queue_.empty();
    handler_->on_eof();
    if (both && handler_ != nullptr && !finished_) {
      finish(Error{ErrorCode::closed, "both ways ended"});
    }
  }

  // --- writing

  // All that one turn writes leaves at its end.
  void schedule_flush() {
    if (flush_scheduled_ || writing_ != Wait::none || lane_ == nullptr) {
      return;
    }
    flush_scheduled_ = true;
    lane_->at_turn_end(shared_from_this());
  }

  void on_turn_end() override {
    flush_scheduled_ = false;
    flush();
  }

  void flush() {
    if (finished_ || handler_ == nullptr) {
      return;
    }
    const bool had_bytes = !queue_.empty();
    while (!queue_.empty()) {
      IoResult sent = send_pieces();
      switch (sent.kind) {
        case IoResult::Kind::done: consume(sent.size); break;
        case IoResult::Kind::want_write: wait_to_write(Wait::writable); return;
        case IoResult::Kind::want_read: wait_to_write(Wait::readable); return;
        default: finish(sent.error); return;
      }
    }
    on_sent(had_bytes);
  }

  IoResult send_pieces() {
    std::array<iovec, turn_pieces_max> pieces;
    const std::size_t count = std::min(queue_.size(), pieces.size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t skip = i == 0 ? front_sent_ : 0;
      pieces[i] = iovec{queue_[i].data() + skip, queue_[i].size() - skip};
    }
    return transport_->write({pieces.data(), count});
  }

  void consume(std::size_t sent) {
    buffered_ -= sent;
    front_sent_ += sent;
    while (!queue_.empty() && front_sent_ >= queue_.front().size()) {
      front_sent_ -= queue_.front().size();
      queue_.pop_front();
    }
  }

  void on_sent(bool had_bytes) {
    if ((write_ended_ || closing_) && !shut_down_) {
      shut_down_ = true;
      transport_->shutdown_write();
    }
    if (closing_) {
      linger();
      return;
    }
    if (had_bytes) {
      handler_->on_drained();
    }
    if (handler_ != nullptr && !finished_ && write_ended_ &&
        (read_ended_ || transport_->write_only())) {
      finish(Error{ErrorCode::closed, "both ways ended"});
    }
  }

  // --- ending

  void linger() {
    if (!read_ended_ && transport_->resets_on_close()) {
      lingering_ = true;
      set_timer(linger_timeout, &Core::shut);
    }
    finish(Error{ErrorCode::closed, "closed"});
    if (lingering_ && reading_ != Wait::task) {
      wait_to_read(Wait::readable);
    }
  }

  void swallow() {
    Bytes& scratch = lane_->scratch();
    IoResult got;
    for (int i = 0; i < turn_reads_max; ++i) {
      got = transport_->read(scratch.data(), scratch.size());
      if (got.kind != IoResult::Kind::done) {
        break;
      }
    }
    if (got.kind == IoResult::Kind::done || got.kind == IoResult::Kind::want_read) {
      wait_to_read(Wait::readable);
    } else {
      shut();
    }
  }

  void on_close_timeout() {
    if (!finished_) {
      finish(Error{ErrorCode::timed_out, "the peer does not read"});
    }
  }

  // The end as the handler sees it, always on a later turn than the call that caused it.
  void finish(const Error& reason) {
    if (finished_) {
      return;
    }
    finished_ = true;
    if (!lingering_) {
      shut();
    }
    lane_->post([self = shared_from_this(), reason] {
      if (self->handler_ != nullptr) {
        self->handler_->on_closed(reason);
      }
    });
  }

  void shut() {
    lingering_ = false;
    finished_ = true;
    if (lane_ != nullptr && timer_ != ports::TimerId()) {
      const auto keep = shared_from_this();  // the timer's task may hold the last reference
      lane_->cancel(std::exchange(timer_, ports::TimerId()));
      release_descriptor();
      return;
    }
    release_descriptor();
  }

  void release_descriptor() {
    watch_.reset();  // the transport closes the descriptor, TLS after its farewell
    transport_.reset();
  }

  // --- waiting

  // What a step waits for. While it runs it waits for nothing, but interest stays registered until
  // it is known what it waits for next.
  enum class Wait : std::uint8_t { none, readable, writable, task };

  void wait_to_read(Wait what) {
    reading_ = what;
    tell_interest();
  }
  void wait_to_write(Wait what) {
    writing_ = what;
    tell_interest();
  }
  void tell_interest() {
    if (watch_ != nullptr) {
      watch_->want(reading_ == Wait::readable || writing_ == Wait::readable,
                   reading_ == Wait::writable || writing_ == Wait::writable);
    }
  }

  void on_ready(bool readable, bool writable) override {
    const auto keep = shared_from_this();  // the user may drop the Stream in a callback
    const auto due = [&](Wait wait) {
      return (wait == Wait::readable && readable) || (wait == Wait::writable && writable);
    };
    const bool read_due = due(reading_);
    const bool write_due = due(writing_);
    if (write_due) {
      writing_ = Wait::none;
      flush();
    }
    if (read_due) {
      reading_ = Wait::none;
      if (!finished_ || lingering_) {
        on_readable();
      }
    }
    tell_interest();
  }

  using Step = void (Core::*)();

  void set_timer(Duration delay, Step then) {
    if (timer_ != ports::TimerId()) {
      lane_->cancel(timer_);
    }
    timer_ = lane_->after(delay, [self = shared_from_this(), then] {
      self->timer_ = ports::TimerId();
      ((*self).*then)();
    });
  }

  std::unique_ptr<Transport> transport_;
  ports::Peer peer_;
  ThreadLane* lane_ = nullptr;
  ports::StreamHandler* handler_ = nullptr;
  std::unique_ptr<Watch> watch_;
  ports::TimerId timer_;

  Fifo<Bytes> queue_;
  std::size_t front_sent_ = 0;  // bytes of queue_.front() that have left
  std::size_t buffered_ = 0;

  Wait reading_ = Wait::none;
  Wait writing_ = Wait::none;
  bool flush_scheduled_ = false;
  bool paused_ = false;
  bool read_ended_ = false;
  bool write_ended_ = false;  // shutdown_write() was called
  bool shut_down_ = false;    // and carried out
  bool closing_ = false;
  bool lingering_ = false;  // closed for the handler, swallowing what still comes
  bool finished_ = false;
};

class CoreStream final : public ports::Stream {
 public:
  explicit CoreStream(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~CoreStream() override { core_->abandon(); }

  void attach(ports::Lane& lane, ports::StreamHandler& handler) override {
    core_->attach(lane, handler);
  }
  void write(Bytes bytes) override { core_->write(std::move(bytes)); }
  std::size_t buffered() const override { return core_->buffered(); }
  void pause_reading() override { core_->pause(); }
  void resume_reading() override { core_->resume(); }
  void shutdown_write() override { core_->shutdown_write(); }
  void close() override { core_->close(); }
  const ports::Peer& peer() const override { return core_->peer(); }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<ports::Stream> make_stream(std::unique_ptr<Transport> transport, ports::Peer peer) {
  return std::make_unique<CoreStream>(
      std::make_shared<Core>(std::move(transport), std::move(peer)));
}

}  // namespace synod::machine
