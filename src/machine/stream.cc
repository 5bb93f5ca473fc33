#include "machine/stream.h"

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>

#include "base/check.h"
#include "machine/lane.h"

namespace synod::machine {
namespace {

namespace asio = boost::asio;
using WaitKind = asio::posix::stream_descriptor::wait_type;

// How long a closing Stream tries to send what is queued, and then listens for the peer's end.
constexpr Duration close_timeout = Duration::seconds(3);
constexpr Duration linger_timeout = Duration::seconds(1);
// Reads of one turn before other descriptors get theirs.
constexpr int turn_reads_max = 4;
constexpr std::size_t turn_pieces_max = 64;

// What outlives the Stream while the loop still holds completions for it.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(std::unique_ptr<Transport> transport, ports::Peer peer)
      : transport_(std::move(transport)), peer_(std::move(peer)) {}

  ~Core() { release_descriptor(); }

  void attach(ports::Lane& lane, ports::StreamHandler& handler) {
    SYNOD_CHECK(lane_ == nullptr);
    lane_ = static_cast<ThreadLane*>(&lane);
    handler_ = &handler;
    descriptor_ = std::make_unique<asio::posix::stream_descriptor>(lane_->context());
    boost::system::error_code failed;
    descriptor_->assign(transport_->descriptor(), failed);
    if (failed) {  // an ordinary file, say, which epoll refuses
      finish(Error{ErrorCode::unsupported, "watch descriptor: " + failed.message()});
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
    if (reading_ || paused_ || read_ended_ || finished_ || lane_ == nullptr) {
      return;
    }
    if (!transport_->has_pending()) {
      wait(WaitKind::wait_read, reading_, &Core::on_readable);
      return;
    }
    reading_ = true;
    lane_->post([self = shared_from_this()] {
      self->reading_ = false;
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
        case IoResult::Kind::want_write:
          wait(WaitKind::wait_write, reading_, &Core::on_readable);
          return;
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

  void schedule_flush() {
    if (flush_scheduled_ || writing_ || lane_ == nullptr) {
      return;
    }
    flush_scheduled_ = true;
    lane_->post([self = shared_from_this()] {
      self->flush_scheduled_ = false;
      self->flush();
    });
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
        case IoResult::Kind::want_write: wait(WaitKind::wait_write, writing_, &Core::flush); return;
        case IoResult::Kind::want_read: wait(WaitKind::wait_read, writing_, &Core::flush); return;
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
    if (lingering_ && !reading_) {
      wait(WaitKind::wait_read, reading_, &Core::on_readable);
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
      wait(WaitKind::wait_read, reading_, &Core::on_readable);
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
    if (descriptor_ != nullptr) {
      if (descriptor_->is_open()) {
        descriptor_->release();  // the transport closes it, TLS after its farewell
      }
      descriptor_.reset();
    }
    transport_.reset();
  }

  // --- waiting

  using Step = void (Core::*)();

  void wait(WaitKind kind, bool& flag, Step then) {
    flag = true;
    descriptor_->async_wait(
        kind, [self = shared_from_this(), &flag, then](boost::system::error_code error) {
          flag = false;
          if (!error && self->descriptor_ != nullptr &&
              (self->handler_ != nullptr || self->lingering_)) {
            ((*self).*then)();
          }
        });
  }

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
  std::unique_ptr<asio::posix::stream_descriptor> descriptor_;
  ports::TimerId timer_;

  std::deque<Bytes> queue_;
  std::size_t front_sent_ = 0;  // bytes of queue_.front() that have left
  std::size_t buffered_ = 0;

  bool reading_ = false;  // a wait is under way
  bool writing_ = false;
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
