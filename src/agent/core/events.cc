#include "agent/core/events.h"

namespace synod::agent::core {

namespace {

std::string short_id(const Uuid& uuid) { return to_string(uuid).substr(0, 8); }

template <typename List>
std::string joined(const List& keys) {
  std::string text;
  for (const auto& key : keys) {
    text += (text.empty() ? "" : ",") + key.task;
  }
  return text;
}

void print(std::ostream& out, const Registered& c) { out << "registered " << c.agent_id; }
void print(std::ostream& out, const Launch& c) { out << "launch " << c.executor.key; }
void print(std::ostream& out, const Kill& c) { out << "kill " << c.task; }
void print(std::ostream& out, const Acknowledge& c) {
  out << "acknowledge " << c.task << ' ' << short_id(c.uuid);
}
void print(std::ostream& out, const ShutdownExecutor& c) {
  out << "shutdown-executor " << c.executor;
}
void print(std::ostream& out, const ShutdownFramework& c) {
  out << "shutdown-framework " << c.framework;
}
void print(std::ostream& out, const Reconcile& c) { out << "reconcile " << joined(c.tasks); }
void print(std::ostream& out, const UpdateFramework& c) {
  out << "update-framework " << c.framework.id;
}
void print(std::ostream& out, const Ping& c) { out << "ping " << c.number; }
void print(std::ostream& out, const MessageExecutor& c) { out << "message " << c.executor; }
void print(std::ostream& out, const Shutdown& c) { out << "shutdown " << c.message; }

void print(std::ostream& out, const Durable& e) { out << "durable " << e.seq; }
void print(std::ostream& out, const Tick&) { out << "tick"; }
void print(std::ostream& out, const RecoveryChecked& e) {
  out << "recovery-checked found=" << e.found.size();
}
void print(std::ostream& out, const MasterDetected&) { out << "master-detected"; }
void print(std::ostream& out, const MasterLost& e) { out << "master-lost " << e.reason; }
void print(std::ostream& out, const MasterSaid& e) {
  out << "master " << e.from << " says " << e.command;
}
void print(std::ostream& out, const ExecutorSubscribed& e) {
  out << "executor-subscribed " << e.executor;
}
void print(std::ostream& out, const ExecutorUpdated& e) {
  out << "executor-updated " << e.task << ' ' << e.update;
}
void print(std::ostream& out, const ExecutorDisconnected& e) {
  out << "executor-disconnected " << e.executor;
}
void print(std::ostream& out, const Spawned& e) {
  out << "spawned " << short_id(e.container) << " process=" << e.process;
}
void print(std::ostream& out, const SpawnFailed& e) {
  out << "spawn-failed " << short_id(e.container) << ' ' << e.message;
}
void print(std::ostream& out, const ContainerGone& e) {
  out << "container-gone " << short_id(e.container) << ' ' << to_string(e.status);
}
void print(std::ostream& out, const PressureChanged& e) {
  out << "pressure-changed " << (e.pressure.any() ? e.pressure.reason : "none");
}
void print(std::ostream& out, const StopAsked& e) { out << "stop-asked " << e.reason; }

void print(std::ostream& out, const ExecutorAccepted&) { out << "subscribed"; }
void print(std::ostream& out, const ExecutorRefused& m) { out << "refused: " << m.reason; }
void print(std::ostream& out, const LaunchTask& m) { out << "launch " << m.task.key.task; }
void print(std::ostream& out, const KillTask& m) {
  out << "kill " << m.task << " grace=" << m.grace.millis() << "ms";
}
void print(std::ostream& out, const AcknowledgeUpdate& m) {
  out << "acknowledged " << m.task << ' ' << short_id(m.uuid);
}
void print(std::ostream& out, const ExecutorMessage&) { out << "message"; }
void print(std::ostream& out, const ExecutorShutdown&) { out << "shutdown"; }

void print(std::ostream& out, const ForwardUpdate& m) {
  out << "update " << m.task << ' ' << m.update << " latest=" << to_string(m.latest_state);
}
void print(std::ostream& out, const AnswerUnknown& m) {
  out << "unknown " << m.task << ' ' << to_string(m.state) << " reason=" << to_string(m.reason);
}
void print(std::ostream& out, const Pong& m) { out << "pong " << m.number; }
void print(std::ostream& out, const ReportExecutorEnded& m) {
  out << "executor-ended " << m.executor << ' ' << to_string(m.status);
}
void print(std::ostream& out, const ReportPressure& m) {
  out << "pressure " << (m.pressure.any() ? m.pressure.reason : "none");
}
void print(std::ostream& out, const Unregister& m) { out << "unregister " << m.reason; }

void print(std::ostream& out, const Persist& e) { out << "persist " << e.seq << ' ' << e.record; }
void print(std::ostream& out, const Spawn& e) {
  out << "spawn " << short_id(e.container) << " executor=" << e.executor.key;
}
void print(std::ostream& out, const Release& e) { out << "release " << short_id(e.container); }
void print(std::ostream& out, const Watch& e) {
  out << "watch " << short_id(e.container) << " process=" << e.process;
}
void print(std::ostream& out, const Destroy& e) { out << "destroy " << short_id(e.container); }
void print(std::ostream& out, const ToExecutor& e) {
  out << "to executor " << e.executor << ": ";
  std::visit([&out](const auto& body) { print(out, body); }, e.body);
}
void print(std::ostream& out, const Subscribe&) { out << "subscribe"; }
void print(std::ostream& out, const Disconnect& e) { out << "disconnect: " << e.reason; }
void print(std::ostream& out, const ToMaster& e) {
  out << "to master: ";
  std::visit([&out](const auto& body) { print(out, body); }, e.body);
}
void print(std::ostream& out, const Note& e) {
  const char* level = e.level == NoteLevel::info      ? "info"
                      : e.level == NoteLevel::warning ? "warning"
                                                      : "error";
  out << "note " << level << ": " << e.text;
}
void print(std::ostream& out, const Exit& e) { out << "exit: " << e.reason; }

}  // namespace

std::ostream& operator<<(std::ostream& out, const Command& command) {
  std::visit([&out](const auto& body) { print(out, body); }, command);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Event& event) {
  out << event.now << ' ';
  std::visit([&out](const auto& body) { print(out, body); }, event.body);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Effect& effect) {
  std::visit([&out](const auto& body) { print(out, body); }, effect);
  return out;
}

}  // namespace synod::agent::core
