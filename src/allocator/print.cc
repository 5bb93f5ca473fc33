// One line for each event and effect.
#include "allocator/events.h"
#include "base/check.h"

namespace synod::allocator {
namespace {

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ",") + name;
  }
  return text;
}

struct PrintEvent {
  std::ostream& out;

  void operator()(const AddFramework& e) {
    out << "add_framework f" << e.framework << " roles=" << join(e.roles);
  }
  void operator()(const UpdateFramework& e) {
    out << "update_framework f" << e.framework.framework << " roles=" << join(e.framework.roles);
  }
  void operator()(const RemoveFramework& e) { out << "remove_framework f" << e.framework; }
  void operator()(const SetFrameworkActive& e) {
    out << (e.active ? "activate" : "deactivate") << " f" << e.framework;
  }
  void operator()(const AddAgent& e) { out << "add_agent " << e.name << " total=" << e.total; }
  void operator()(const UpdateAgent& e) { out << "update_agent a" << e.agent << " " << e.total; }
  void operator()(const RemoveAgent& e) { out << "remove_agent a" << e.agent; }
  void operator()(const SetAgentActive& e) {
    out << (e.active ? "activate" : "deactivate") << " a" << e.agent;
  }
  void operator()(const Found& e) {
    out << "found f" << e.held.framework << " a" << e.agent << " " << e.held.amount;
  }
  void operator()(const Recover& e) {
    out << "recover f" << e.framework << " a" << e.agent << " " << e.amount;
    if (e.refuse) {
      out << " refuse=" << e.refuse->millis() << "ms";
    }
  }
  void operator()(const Suppress& e) {
    out << "suppress f" << e.framework << " roles=" << join(e.roles);
  }
  void operator()(const Revive& e) {
    out << "revive f" << e.framework << " roles=" << join(e.roles);
  }
  void operator()(const SetWeight& e) {
    out << "weight " << e.role << "=" << resources::milli_to_string(e.weight);
  }
  void operator()(const Wake&) { out << "wake"; }
  void operator()(const Turn&) { out << "turn"; }
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Event& event) {
  out << event.now << " ";
  std::visit(PrintEvent{out}, event.body);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Effect& effect) {
  if (const auto* allocation = std::get_if<Allocation>(&effect)) {
    return out << "allocate f" << allocation->framework << " role=" << allocation->role << " a"
               << allocation->agent << " " << allocation->amount;
  }
  if (const auto* wake = std::get_if<WakeAt>(&effect)) {
    return out << "wake " << wake->at;
  }
  return out << "continue";
}

}  // namespace synod::allocator
