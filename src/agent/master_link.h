// The agent's end of the protocol with the master: one stream down, calls up.
//
// Source      mesos/internal.proto.
// Invariants  M1 nothing of an older stream is handed on once a newer SUBSCRIBE was sent.
//             M2 every call names the epoch and stream that registered us.
//             M3 of each task's updates only one is under way: the next is posted after the answer,
//                so that a repeated one cannot arrive behind its successor.
// Threads     Confined to its Lane; callbacks come on later turns.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/core/types.h"
#include "http/client.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/scope.h"

namespace synod::mesos::internal {
class AgentCall;
class MasterEvent;
}  // namespace synod::mesos::internal

namespace synod::agent {

struct MasterLinkHandler {
  std::function<void(const mesos::internal::MasterEvent&)> on_event;
  // The stream is over, or never was. Nothing follows until the next connect().
  std::function<void(const std::string& reason)> on_lost;
};

class MasterLink {
 public:
  MasterLink(ports::Lane& lane, ports::Network& network, std::string version,
             MasterLinkHandler handler);
  ~MasterLink();
  MasterLink(const MasterLink&) = delete;
  MasterLink& operator=(const MasterLink&) = delete;

  // Opens a new stream with this SUBSCRIBE; an older one is dropped. Redirects are followed.
  void connect(const ports::HostPort& master, const mesos::internal::AgentCall& subscribe);
  // Drops the stream and what waits to be sent; on_lost follows.
  void disconnect(const std::string& reason);
  // Queues a call of the registered stream; type and body are given, the rest is filled in. Dropped
  // if there is no such stream.
  void send(mesos::internal::AgentCall call);

  bool registered() const { return !stream_id_.empty(); }
  const ports::HostPort& master() const { return master_; }
  // The last call has been answered.
  bool idle() const { return calls_.empty() && in_flight_ == 0; }

 private:
  struct Decoder;
  struct Queued {
    std::string task;  // whose update it is; empty for any other call
    Bytes body;
  };
  struct Post {
    std::string task;
    std::unique_ptr<http::Call> call;
  };

  void open();
  void on_head(const http::Response& head);
  void on_body(ByteView piece);
  void on_end(const Status& end);
  void handle(ByteView record);
  void lose(const std::string& reason);
  void retire(std::unique_ptr<http::Call> call);
  void post_next();
  bool may_post(const Queued& queued) const;
  void posted(std::uint64_t id, const Result<http::Response>& answer);

  ports::Lane& lane_;
  std::string version_;
  MasterLinkHandler handler_;
  http::Client client_;
  ports::HostPort master_;
  Bytes subscribe_;  // of the attempt under way, for a redirect
  int redirects_ = 0;
  std::unique_ptr<http::Call> stream_;
  std::unique_ptr<Decoder> decoder_;
  bool accepted_ = false;  // the head was 200
  std::string refusal_;    // what another head said
  std::string stream_id_;
  std::string agent_id_;
  core::MasterIdentity identity_;
  std::deque<Queued> calls_;
  std::map<std::uint64_t, Post> posts_;
  std::uint64_t posts_made_ = 0;
  std::size_t in_flight_ = 0;
  ports::Scope stream_scope_;
  ports::Scope scope_;
};

}  // namespace synod::agent
