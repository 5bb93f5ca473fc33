// The v1 executor API of the agent: POST /api/v1/executor.
//
// Source   protocol reference, 5.1 (checks and their answers), 5.2.
// Threads  Confined to its Lane.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/core/core.h"
#include "http/server.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace mesos::v1 {
class AgentInfo;
}
namespace mesos::v1::executor {
class Call;
class Event;
}  // namespace mesos::v1::executor

namespace synod::agent {

struct ExecutorApiHandler {
  // Steps the core; its effects have been performed when this returns.
  std::function<void(core::EventBody)> step;
  // What SUBSCRIBED tells of us.
  std::function<::mesos::v1::AgentInfo()> agent_info;
  // MESSAGE: bytes for the executor's framework.
  std::function<void(const core::ExecutorKey&, const std::string& data)> on_message;
};

class ExecutorApi {
 public:
  ExecutorApi(ports::Lane& lane, const core::Core& core, ExecutorApiHandler handler);
  ~ExecutorApi();
  ExecutorApi(const ExecutorApi&) = delete;
  ExecutorApi& operator=(const ExecutorApi&) = delete;

  void handle(http::Request request, http::Responder responder);
  // Performs what the core says to an executor.
  void perform(const core::ToExecutor& effect);

 private:
  struct Subscriber;
  struct Attempt;

  void subscribe(const core::ExecutorKey& key, const ::mesos::v1::executor::Call& call,
                 Attempt attempt);
  void accept(const core::ExecutorKey& key);
  void on_closed(const core::ExecutorKey& key, std::uint64_t number);
  void send(const core::ExecutorKey& key, const ::mesos::v1::executor::Event& event);
  void beat();

  ports::Lane& lane_;
  const core::Core& core_;
  ExecutorApiHandler handler_;
  std::map<core::ExecutorKey, std::unique_ptr<Subscriber>> subscribers_;
  std::unique_ptr<Attempt> attempt_;  // the SUBSCRIBE that the core looks at now
  std::uint64_t subscriptions_ = 0;
  ports::TimerId heartbeat_;
  ports::Scope scope_;
};

}  // namespace synod::agent
