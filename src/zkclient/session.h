// The session behind a Client: its connection, its queue of requests, its watches.
//
//   connecting --ConnectResponse--> connected --connection breaks--> suspended --> connected ...
//   any of them --refused--> expired;  --close() answered--> closed;  --bad auth--> auth_failed
//
// Time      A ping leaves when nothing was sent for a third of the timeout; a connection from which
//           nothing was heard for two thirds is given up, which leaves a third to find another.
// Threads   Confined to its Lane.
#pragma once

#include <deque>
#include <memory>

#include "ports/lane.h"
#include "ports/scope.h"
#include "ports/stream.h"
#include "zkclient/client.h"
#include "zkclient/dialler.h"
#include "zkclient/watches.h"
#include "zkwire/frame.h"

namespace synod::zkclient {

class Client::Session final : public std::enable_shared_from_this<Client::Session>,
                              public ports::StreamHandler {
 public:
  // err is ok, a code of the server, or one of ours with its certainty.
  struct Outcome {
    zkwire::Code code = zkwire::Code::ok;
    Certainty certainty = Certainty::not_done;
    zkwire::Reply reply;
  };
  using Answered = std::function<void(Outcome)>;

  struct Call {
    zkwire::OpCode op = zkwire::OpCode::error;
    zkwire::Request request;
    Answered answered;
    // A watch to be set if the server says ok (or, for exists, that there is no node).
    Watch watch = {};
    std::string watch_path = {};
  };

  Session(ports::Lane& lane, ports::Network& network, ClientOptions options, OnState on_state);

  void start();
  // The Client is gone.
  void abandon();
  void submit(Call call);
  void add_auth(Auth auth, Answered answered);
  void close(Answered answered);

  ports::Lane& lane() { return lane_; }
  const std::string& chroot() const { return options_.connect.path; }
  State state() const { return state_; }
  const Credentials& credentials() const { return credentials_; }
  Duration timeout() const { return timeout_; }
  Instant confirmed_at() const { return confirmed_at_; }
  Zxid last_zxid() const { return last_zxid_; }
  std::string server() const;

  void on_bytes(ByteView bytes) override;
  void on_eof() override;
  void on_closed(const Error& reason) override;

 private:
  struct Sent {
    std::int32_t xid = 0;
    Instant at;
    Call call;
  };

  bool is_over() const;
  Duration dial_timeout() const;
  // --- connection
  void connect();
  void on_connected(std::unique_ptr<ports::Stream> stream);
  void on_handshake(ByteView body);
  void renew();
  void drop_connection(const char* why);
  void lose(const char* why);
  // --- traffic
  void pump();
  void send(std::int32_t xid, Call call);
  void send_frame(std::int32_t xid, zkwire::OpCode op, const zkwire::Request& request);
  void on_frame(ByteView body);
  void on_event(ByteView body);
  void on_reply(const zkwire::ReplyHeader& header, ByteView body);
  void on_special_reply(const zkwire::ReplyHeader& header);
  void settle_watch(Call& call, zkwire::Code code);
  void send_auth(std::size_t index);
  void answer_later(Call call, Outcome outcome);
  // --- endings and time
  void fail_all(std::deque<Sent> sent, std::deque<Call> waiting, zkwire::Code code);
  void end(State state, zkwire::Code code);
  void set_state(State state);
  void tick();

  ports::Lane& lane_;
  ports::Network& network_;
  ClientOptions options_;
  OnState on_state_;
  Dialler dialler_;
  State state_ = State::connecting;
  Credentials credentials_;
  Duration timeout_;
  Zxid last_zxid_{};
  Instant confirmed_at_;
  bool abandoned_ = false;
  bool closing_ = false;

  std::unique_ptr<ports::Stream> stream_;
  zkwire::FrameReader reader_;
  bool handshaken_ = false;
  Instant handshake_at_;
  Instant heard_at_;
  Instant sent_at_;
  Instant ticked_at_;

  std::int32_t xid_last_ = 0;
  std::deque<Call> waiting_;
  std::deque<Sent> sent_;
  std::deque<Instant> pings_;
  struct AuthEntry {
    Auth auth;
    Answered answered;  // by the first server that answers; empty afterwards
  };
  std::vector<AuthEntry> auths_;
  std::deque<std::size_t> auths_sent_;  // indexes of auths_, unanswered on this connection
  Watches watches_;
  ports::Scope scope_;
  ports::Scope stream_scope_;  // what belongs to the present connection
};

}  // namespace synod::zkclient
