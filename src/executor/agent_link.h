// The executor's end of the v1 executor API: one stream of events from the agent, updates to it.
//
// Source      Mesos 1.11 executor API (protocol reference, 5.1, 5.2, 5.3).
// Invariants  L1 updates reach the agent in the order of send(): one POST at a time.
//             L2 an update is kept until ACKNOWLEDGED names it, and sent again with every new
//                subscription.
// Threads     Confined to its Lane; callbacks come on later turns.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/instant.h"
#include "http/client.h"
#include "ports/disk.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/scope.h"

namespace mesos::v1 {
class TaskInfo;
class TaskStatus;
}  // namespace mesos::v1
namespace mesos::v1::executor {
class Event;
}

namespace synod::executor {

struct AgentLinkOptions {
  std::string framework_id;
  std::string executor_id;
  std::string agent_endpoint;  // host:port
  // Holds the present host:port of an agent that may come back elsewhere; empty or absent: none.
  std::string endpoint_file;
  Duration backoff_max = Duration::seconds(2);
  Duration recovery_timeout = Duration::seconds(15 * 60);
};

struct AgentLinkHandler {
  std::function<void(const ::mesos::v1::executor::Event&)> on_event;
  // The agent was away for longer than recovery_timeout, or says that we are not its executor.
  std::function<void(const std::string& reason)> on_given_up;
};

class AgentLink {
 public:
  AgentLink(const AgentLinkOptions& options, ports::Lane& lane, ports::Network& network,
            ports::Disk& disk, AgentLinkHandler handler);
  ~AgentLink();
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  void start();
  // Queues one update. The status is complete, uuid included.
  void send(const ::mesos::v1::TaskStatus& status);
  // The task that a SUBSCRIBE names as unacknowledged until one of its updates is acknowledged.
  void hold_task(const ::mesos::v1::TaskInfo& task);
  // No update waits for its acknowledgement.
  bool settled() const { return updates_.empty(); }

 private:
  struct Pending {
    Bytes status;  // serialized TaskStatus
    std::string uuid;
    bool delivered = false;  // the agent answered 202 on this subscription
    bool carried = false;    // the present SUBSCRIBE names it
  };

  void connect();
  void on_head(const http::Response& head);
  void on_body(ByteView bytes);
  void on_end(const Status& end);
  void handle(ByteView record);
  void acknowledged(const std::string& uuid);
  void lost(const std::string& why);
  void give_up(const std::string& why);
  // Drops a call on a later turn: it may be the one whose callback runs.
  void retire(std::unique_ptr<http::Call> call);
  void post_next();
  void posted(const Result<http::Response>& answer);
  ports::HostPort endpoint() const;
  http::Request request(Bytes body) const;

  AgentLinkOptions options_;
  ports::Lane& lane_;
  ports::Disk& disk_;
  AgentLinkHandler handler_;
  http::Client client_;
  std::unique_ptr<http::Call> stream_;
  std::unique_ptr<http::Call> post_;
  struct Decoder;
  std::unique_ptr<Decoder> decoder_;
  bool subscribed_ = false;
  bool given_up_ = false;
  int attempts_ = 0;
  std::optional<Instant> away_since_;
  ports::TimerId retry_timer_;
  ports::TimerId post_timer_;
  std::optional<Bytes> held_task_;  // serialized TaskInfo
  std::deque<Pending> updates_;
  ports::Scope scope_;
};

}  // namespace synod::executor
