// One line for each effect: what scripts compare and logs show.
#include "services/core/core.h"

namespace synod::services::core {
namespace {

struct Print {
  std::ostream& out;

  void operator()(const Accept& e) const {
    out << "accept " << e.offer_id << " app=" << e.app.name;
    for (const TaskLaunch& task : e.tasks) {
      out << " " << task.task_id;
      for (std::uint32_t port : task.ports) {
        out << ":" << port;
      }
    }
  }
  void operator()(const Decline& e) const {
    out << "decline " << e.offer_id << " for=" << e.refuse.seconds() << "s";
  }
  void operator()(const Suppress&) const { out << "suppress"; }
  void operator()(const Revive&) const { out << "revive"; }
  void operator()(const Kill& e) const {
    out << "kill " << e.task_id << " agent=" << e.agent_id << " grace=" << e.grace.seconds() << "s";
  }
  void operator()(const Acknowledge& e) const {
    out << "acknowledge " << e.task_id << " uuid=" << e.uuid;
  }
  void operator()(const Reconcile& e) const {
    out << "reconcile";
    for (const auto& [task, agent] : e.tasks) {
      out << " " << task << "@" << agent;
    }
  }
  void operator()(const Store& e) const {
    out << "store #" << e.serial << " " << e.record.app.name << " v" << e.record.app.version
        << " instances=" << e.record.app.instances << (e.record.removed ? " removed" : "");
    for (const Instance& instance : e.record.instances) {
      out << " "
          << (instance.task_id.empty() ? to_string(instance.phase) : instance.task_id.c_str());
    }
  }
  void operator()(const Erase& e) const { out << "erase #" << e.serial << " " << e.name; }
  void operator()(const SetTimer& e) const { out << "timer " << e.at.millis() << "ms"; }
  void operator()(const Reply& e) const {
    out << "reply " << e.request << (e.error.empty() ? " ok" : " error: " + e.error);
  }
  void operator()(const Note& e) const {
    out << "note " << e.app;
    if (e.index != 0) {
      out << "." << e.index;
    }
    out << " " << e.kind << ": " << e.text;
  }
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Effect& effect) {
  std::visit(Print{out}, effect);
  return out;
}

}  // namespace synod::services::core
