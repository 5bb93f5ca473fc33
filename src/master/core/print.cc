// One line for each event and effect.
#include "base/check.h"
#include "master/core/effects.h"
#include "master/core/events.h"

namespace synod::master::core {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ",") + word;
  }
  return text;
}

template <typename Tag>
std::string join(const std::vector<TextId<Tag>>& ids) {
  std::vector<std::string> words;
  for (const TextId<Tag>& id : ids) {
    words.push_back(id.value);
  }
  return join(words);
}

std::ostream& operator<<(std::ostream& out, const TaskStatus& status) {
  out << to_string(status.state) << " task=" << status.task;
  if (!status.agent.empty()) {
    out << " agent=" << status.agent;
  }
  if (status.reason) {
    out << " reason=" << *status.reason;
  }
  if (status.uuid) {
    out << " uuid=" << to_string(*status.uuid).substr(0, 8);
  }
  if (status.unreachable_time) {
    out << " since=" << *status.unreachable_time;
  }
  if (!status.message.empty()) {
    out << " \"" << status.message << "\"";
  }
  return out;
}

struct PrintEvent {
  std::ostream& out;

  void operator()(const Recovered& e) {
    out << "recovered agents=" << e.registry.admitted.size()
        << " frameworks=" << e.registry.frameworks.size();
  }
  void operator()(const Wake&) { out << "wake"; }
  void operator()(const Turn&) { out << "turn"; }
  void operator()(const RegistryDone& e) { out << "registry done " << e.operation; }
  void operator()(const RegistryFailed& e) {
    out << "registry failed " << e.operation << " " << e.reason;
  }
  void operator()(const Subscribe& e) {
    out << "subscribe stream=" << e.stream << " id=" << e.id << " name=" << e.info.name
        << " roles=" << join(e.info.roles());
  }
  void operator()(const StreamClosed& e) { out << "closed stream=" << e.stream; }
  void operator()(const Teardown& e) { out << "teardown " << e.framework; }
  void operator()(const Accept& e) {
    out << "accept " << e.framework << " offers=" << join(e.offers)
        << " operations=" << e.operations.size() << " refuse=" << e.refuse.millis() << "ms";
  }
  void operator()(const Decline& e) {
    out << "decline " << e.framework << " offers=" << join(e.offers)
        << " refuse=" << e.refuse.millis() << "ms";
  }
  void operator()(const Revive& e) { out << "revive " << e.framework << " " << join(e.roles); }
  void operator()(const Suppress& e) { out << "suppress " << e.framework << " " << join(e.roles); }
  void operator()(const Kill& e) { out << "kill " << e.framework << " task=" << e.task; }
  void operator()(const ShutdownExecutor& e) {
    out << "shutdown executor " << e.framework << " " << e.executor << " on " << e.agent;
  }
  void operator()(const Acknowledge& e) {
    out << "acknowledge " << e.framework << " task=" << e.task
        << " uuid=" << to_string(e.uuid).substr(0, 8);
  }
  void operator()(const Reconcile& e) {
    out << "reconcile " << e.framework << " tasks=" << e.tasks.size();
  }
  void operator()(const MessageExecutor& e) {
    out << "message " << e.framework << " -> " << e.executor << " on " << e.agent;
  }
  void operator()(const AgentSubscribe& e) {
    out << "agent subscribe stream=" << e.stream << " id=" << e.id << " host=" << e.info.hostname
        << " total=" << e.info.total << " tasks=" << e.tasks.size();
  }
  void operator()(const AgentUpdate& e) {
    out << "agent update stream=" << e.stream << " " << e.framework << " " << e.status
        << " latest=" << to_string(e.latest_state);
  }
  void operator()(const AgentPong& e) { out << "pong stream=" << e.stream << " " << e.number; }
  void operator()(const AgentExecutorExited& e) {
    out << "executor exited stream=" << e.stream << " " << e.framework << " " << e.executor;
  }
  void operator()(const AgentMessage& e) {
    out << "message stream=" << e.stream << " " << e.executor << " -> " << e.framework;
  }
  void operator()(const AgentAcceptsTasks& e) {
    out << "agent stream=" << e.stream << (e.accepts ? " accepts tasks" : " accepts no tasks: ")
        << e.why_not;
  }
  void operator()(const AgentGoodbye& e) { out << "agent goodbye stream=" << e.stream; }
  void operator()(const UpdateWeights& e) { out << "weights " << e.weights.size(); }
  void operator()(const OperatorTeardown& e) { out << "operator teardown " << e.framework; }
  void operator()(const MarkAgentGone& e) { out << "mark gone " << e.agent; }
};

struct PrintToFramework {
  std::ostream& out;

  void operator()(const Subscribed& e) { out << "SUBSCRIBED " << e.framework; }
  void operator()(const Offers& e) {
    out << "OFFERS";
    for (const Offer& offer : e.offers) {
      out << " " << offer.id << "=" << offer.agent
          << (offer.role == resources::default_role ? "" : "(" + offer.role + ")") << "["
          << offer.resources << "]";
      if (!offer.executors.empty()) {
        out << " executors=" << join(offer.executors);
      }
    }
  }
  void operator()(const Rescind& e) { out << "RESCIND " << e.offer; }
  void operator()(const Update& e) { out << "UPDATE " << e.status; }
  void operator()(const UpdateOperation& e) {
    out << "UPDATE_OPERATION " << e.operation << " OPERATION_ERROR \"" << e.message << "\"";
  }
  void operator()(const Message& e) { out << "MESSAGE from " << e.executor << " on " << e.agent; }
  void operator()(const Failure& e) {
    out << "FAILURE agent=" << e.agent;
    if (!e.executor.empty()) {
      out << " executor=" << e.executor << " status=" << e.status.value_or(0);
    }
  }
  void operator()(const FrameworkError& e) { out << "ERROR \"" << e.message << "\""; }
};

struct PrintToAgent {
  std::ostream& out;

  void operator()(const Registered& e) {
    out << "REGISTERED " << e.agent << " silence=" << e.silence_limit.millis() << "ms";
  }
  void operator()(const Refused& e) {
    out << "REFUSED " << (e.reason == Refused::Reason::gone ? "gone" : "invalid") << " \""
        << e.message << "\"";
  }
  void operator()(const Launch& e) {
    out << "LAUNCH " << e.framework << " task=" << e.task.id << " [" << e.task.resources << "]";
    if (e.task.executor) {
      out << " executor=" << e.task.executor->id;
    }
  }
  void operator()(const KillTask& e) { out << "KILL " << e.framework << " task=" << e.task; }
  void operator()(const AcknowledgeUpdate& e) {
    out << "ACKNOWLEDGE " << e.framework << " task=" << e.task
        << " uuid=" << to_string(e.uuid).substr(0, 8);
  }
  void operator()(const ReconcileTasks& e) {
    out << "RECONCILE";
    for (const ReconcileTasks::Item& item : e.tasks) {
      out << " " << item.framework << "/" << item.task;
    }
  }
  void operator()(const Shutdown& e) {
    out << "SHUTDOWN" << (e.framework.empty() ? "" : " framework=" + e.framework.value)
        << (e.executor.empty() ? "" : " executor=" + e.executor.value);
  }
  void operator()(const Ping& e) { out << "PING " << e.number; }
  void operator()(const ExecutorMessage& e) {
    out << "MESSAGE " << e.framework << " -> " << e.executor;
  }
  void operator()(const UpdateFramework& e) { out << "UPDATE_FRAMEWORK " << e.framework; }
};

struct PrintToRegistry {
  std::ostream& out;

  void operator()(const AdmitAgent& e) { out << "admit " << e.agent.id; }
  void operator()(const MarkReachable& e) { out << "mark reachable " << e.agent.id; }
  void operator()(const MarkUnreachable& e) {
    out << "mark unreachable " << e.agent << " since=" << e.since;
  }
  void operator()(const MarkGone& e) { out << "mark gone " << e.agent << " since=" << e.since; }
  void operator()(const RemoveAgent& e) { out << "remove " << e.agent; }
  void operator()(const PutFramework& e) {
    static constexpr const char* states[] = {"?", "connected", "disconnected", "completed"};
    out << "framework " << e.framework.id << " "
        << states[static_cast<std::size_t>(e.framework.state)] << " since=" << e.framework.since;
  }
  void operator()(const RemoveFramework& e) { out << "forget framework " << e.framework; }
  void operator()(const ConfirmLeadership&) { out << "confirm leadership"; }
  void operator()(const PutWeights& e) {
    out << "weights";
    for (const WeightRecord& record : e.weights) {
      out << " " << record.role << "=" << resources::milli_to_string(record.weight);
    }
  }
};

struct PrintEffect {
  std::ostream& out;

  void operator()(const ToFramework& e) {
    out << "framework " << e.stream << ": ";
    std::visit(PrintToFramework{out}, e.body);
  }
  void operator()(const ToAgent& e) {
    out << "agent " << e.stream << " epoch " << e.leadership.epoch << ": ";
    std::visit(PrintToAgent{out}, e.body);
  }
  void operator()(const CloseStream& e) {
    out << "close " << e.stream << " \"" << e.reason << "\"";
  }
  void operator()(const ToRegistry& e) {
    out << "registry " << e.operation << " epoch " << e.leadership.epoch << ": ";
    std::visit(PrintToRegistry{out}, e.body);
  }
  void operator()(const WakeAt& e) { out << "wake " << e.at; }
  void operator()(const Continue&) { out << "continue"; }
  void operator()(const Note& e) {
    static constexpr const char* levels[] = {"info", "warning", "error"};
    out << levels[static_cast<std::size_t>(e.level)] << ": " << e.text;
  }
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Event& event) {
  out << event.now << " ";
  std::visit(PrintEvent{out}, event.body);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Effect& effect) {
  std::visit(PrintEffect{out}, effect);
  return out;
}

}  // namespace synod::master::core
