// A ZooKeeper client of the simulator's own: it shares nothing with zkclient but the wire format,
// and writes down all it does and sees.
//
// It keeps one session over many connections, pings, sets its watches again after a reconnect, and
// starts a new session when the old one has expired. Requests are pipelined.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "ports/network.h"
#include "ports/scope.h"
#include "sim/coordination/history.h"
#include "sim/machine.h"
#include "zkwire/frame.h"

namespace synod::sim::coordination {

struct ClientOptions {
  int number = 0;
  std::vector<ports::Address> servers;
  std::int32_t session_timeout_ms = 4000;
  Duration reconnect_delay_max = Duration::millis(100);
};

// What the client's user hears. All on the client's Lane.
struct ClientListener {
  virtual ~ClientListener() = default;
  virtual void on_ready() {}  // a session is attached: submit() works
  virtual void on_lost() {}   // no connection; what was unanswered stays so
  virtual void on_reply(const Operation&) {}
  virtual void on_event(const zkwire::WatcherEvent&) {}
};

class Client final : public ports::StreamHandler {
 public:
  Client(SimProcess& process, History& history, ClientListener& listener, ClientOptions options);
  ~Client() override;

  bool ready() const { return state_ == State::ready; }
  std::size_t unanswered() const { return waiting_.size(); }
  std::int64_t session() const { return session_; }
  // Precondition: ready().
  void submit(zkwire::OpCode op, zkwire::Request request, std::string tag = "");
  // Drops the connection, as a client does that lost patience.
  void drop_connection();
  // No reconnecting any more. The session is left to expire.
  void stop();

 private:
  enum class State { idle, dialling, greeting, ready, stopped };
  struct Waiting {
    std::int32_t xid = 0;
    bool own = false;  // ping or setWatches: not in the history
    zkwire::OpCode op = zkwire::OpCode::error;
    std::size_t operation = 0;
  };

  void on_bytes(ByteView bytes) override;
  void on_eof() override;
  void on_closed(const Error& reason) override;

  void dial();
  void dial_later();
  void greet(std::unique_ptr<ports::Stream> stream);
  void heard_greeting(ByteView body);
  void heard_reply(ByteView body);
  void heard_event(std::int64_t zxid, ByteView body);
  void forget_watch(const zkwire::WatcherEvent& event);
  void remember_watch(const Operation& operation);
  void forget_session();
  void send_watches();
  void ping();
  void disconnect();
  void complain(const std::string& what);
  void complete(const Waiting& waiting, const zkwire::ReplyHeader& header, ByteView rest);
  Step make_step(Step::Kind kind) const;

  SimProcess& process_;
  SimLane& lane_;
  History& history_;
  ClientListener& listener_;
  ClientOptions options_;
  Prng prng_;
  State state_ = State::idle;
  std::int64_t session_ = 0;
  Bytes password_ = Bytes(16, '\0');
  std::int64_t last_zxid_ = 0;
  std::int32_t xid_next_ = 1;
  std::uint64_t connection_ = 0;
  Instant heard_at_;
  std::deque<Waiting> waiting_;
  zkwire::FrameReader reader_;
  std::set<std::string> data_watches_;
  std::set<std::string> exist_watches_;
  std::set<std::string> child_watches_;
  std::unique_ptr<ports::Dial> dial_;
  std::unique_ptr<ports::Stream> stream_;
  ports::Scope connection_scope_;
  ports::Scope scope_;
};

}  // namespace synod::sim::coordination
