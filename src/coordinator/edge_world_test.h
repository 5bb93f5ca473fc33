// What an Edge under test stands on: a Lane turned by hand, an open gate, streams to clients of
// ours.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "ports/entropy.h"
#include "ports/gate.h"
#include "ports/lane.h"
#include "ports/stream.h"
#include "zkwire/records.h"

namespace synod::coordinator {

class SilentLog final : public Log {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view, std::string_view) override {}
};

class SeededEntropy final : public ports::Entropy {
 public:
  std::uint64_t next() override { return prng_.next(); }

 private:
  Prng prng_{1};
};

class ManualLane final : public ports::Lane {
 public:
  bool try_post(ports::Task task) override {
    posted_.push_back(std::move(task));
    return true;
  }
  ports::TimerId after(Duration delay, ports::Task task) override {
    const ports::TimerId id(++last_);
    timers_.emplace(std::make_pair(now_ + delay, id.value()), std::move(task));
    return id;
  }
  void cancel(ports::TimerId) override {}
  Instant now() const override { return now_; }
  WallTime wall() const override { return {now_.millis()}; }
  Log& log() override { return log_; }
  ports::Entropy& entropy() override { return entropy_; }

  void drain() {
    while (!posted_.empty() || (!timers_.empty() && timers_.begin()->first.first <= now_)) {
      ports::Task task;
      if (!posted_.empty()) {
        task = std::move(posted_.front());
        posted_.pop_front();
      } else {
        task = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
      }
      task();
    }
  }
  void advance(Duration span) {
    const Instant end = now_ + span;
    drain();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      now_ = std::max(now_, timers_.begin()->first.first);
      drain();
    }
    now_ = end;
    drain();
  }

 private:
  Instant now_ = Instant::from_millis(1000);
  std::deque<ports::Task> posted_;
  std::map<std::pair<Instant, std::uint64_t>, ports::Task> timers_;
  std::uint64_t last_ = 0;
  SilentLog log_;
  SeededEntropy entropy_;
};

class OpenGate final : public ports::Gate {
 public:
  void enter_read(std::size_t) override { ++readers_; }
  void leave_read(std::size_t) override { --readers_; }
  void enter_write() override { EXPECT_EQ(readers_, 0); }
  void leave_write() override {}

 private:
  int readers_ = 0;
};

struct Client;

// The server's end of a connection, and what the client has got.
class FakeStream final : public ports::Stream {
 public:
  FakeStream(Client& client, ports::Peer peer) : client_(client), peer_(std::move(peer)) {}
  ~FakeStream() override;
  void attach(ports::Lane& lane, ports::StreamHandler& handler) override;
  void write(Bytes bytes) override;
  std::size_t buffered() const override;
  void pause_reading() override;
  void resume_reading() override;
  void shutdown_write() override {}
  void close() override;
  const ports::Peer& peer() const override { return peer_; }

 private:
  Client& client_;
  ports::Peer peer_;
};

struct Client {
  std::string name;
  ports::Lane* lane = nullptr;
  ports::StreamHandler* handler = nullptr;
  Bytes unread;    // written by the edge, not taken by the client
  Bytes received;  // taken
  Bytes held;      // sent by the client while the edge does not read
  bool reads = true;
  bool paused = false;
  bool closed = false;
  bool told = false;
  bool connected = false;
  bool old = false;
  std::deque<zkwire::OpCode> expected;
  std::int64_t session = 0;
  Bytes password;
  std::int32_t xid = 0;
  std::vector<std::string> said;
};

inline FakeStream::~FakeStream() {
  client_.closed = true;
  client_.handler = nullptr;
}
inline void FakeStream::attach(ports::Lane& lane, ports::StreamHandler& handler) {
  client_.lane = &lane;
  client_.handler = &handler;
}
inline void FakeStream::write(Bytes bytes) { client_.unread += bytes; }
inline std::size_t FakeStream::buffered() const {
  return client_.reads ? 0 : client_.unread.size();
}
inline void FakeStream::pause_reading() { client_.paused = true; }
inline void FakeStream::resume_reading() { client_.paused = false; }
inline void FakeStream::close() {
  client_.reads = true;  // what is queued still leaves
  client_.closed = true;
  EXPECT_TRUE(client_.lane->try_post([this] {
    ports::StreamHandler* handler = client_.handler;
    client_.handler = nullptr;
    handler->on_closed({ErrorCode::closed, "closed"});
  }));
}

}  // namespace synod::coordinator
