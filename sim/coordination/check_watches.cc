#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/coordination/checker.h"

namespace synod::sim::coordination {
namespace {

using zkwire::Code;
using zkwire::EventType;
using zkwire::OpCode;

enum class Kind { data, exist, child };

struct Watch {
  Kind kind = Kind::data;
  std::string path;

  friend auto operator<=>(const Watch&, const Watch&) = default;
};

bool fires(Kind kind, EventType type) {
  switch (type) {
    case EventType::node_created: return kind == Kind::exist;
    case EventType::node_data_changed: return kind == Kind::data;
    case EventType::node_deleted: return kind != Kind::exist;
    case EventType::node_children_changed: return kind == Kind::child;
    case EventType::none: return false;
  }
  return false;
}

// The model's changes of one path, in the order of their zxids, and what the node was after each.
struct Timeline {
  std::vector<Change> changes;

  // The first change after `zxid` that fires such a watch; 0 if there is none.
  std::int64_t first_after(std::int64_t zxid, Kind kind) const {
    auto it = std::upper_bound(changes.begin(), changes.end(), zxid,
                               [](std::int64_t z, const Change& c) { return z < c.zxid; });
    for (; it != changes.end(); ++it) {
      if (fires(kind, it->type)) {
        return it->zxid;
      }
    }
    return 0;
  }

  bool exists_at(std::int64_t zxid) const {
    bool exists = false;
    for (const Change& change : changes) {
      if (change.zxid > zxid) {
        break;
      }
      exists = change.type == EventType::node_created ||
               (exists && change.type != EventType::node_deleted);
    }
    return exists;
  }

  bool changed_within(std::int64_t after, std::int64_t through, EventType type) const {
    return std::any_of(changes.begin(), changes.end(), [=](const Change& change) {
      return change.type == type && change.zxid > after && change.zxid <= through;
    });
  }
};

class WatchCheck {
 public:
  WatchCheck(const History& history, const Model& model, Findings& findings)
      : history_(history), findings_(findings) {
    for (const Change& change : model.changes()) {
      timelines_[change.path].changes.push_back(change);
    }
  }

  void run() {
    for (const Step& step : history_.steps) {
      switch (step.kind) {
        case Step::Kind::complete: complete(history_.operations[step.operation]); break;
        case Step::Kind::event: event(step); break;
        case Step::Kind::watches_sent:
          clients_[step.client].relative = step.zxid;
          clients_[step.client].restoring = true;
          break;
        case Step::Kind::watches_done: restored(step); break;
        case Step::Kind::disconnected: clients_[step.client].restoring = true; break;
        case Step::Kind::connected:
          if (clients_[step.client].watches.empty()) {
            clients_[step.client].restoring = false;
          }
          break;
        case Step::Kind::expired: clients_[step.client] = {}; break;
        case Step::Kind::invoke: break;
      }
    }
  }

 private:
  struct Client {
    std::map<Watch, std::int64_t> watches;  // -> the zxid at which it was set
    bool restoring = false;                 // between a lost connection and the setWatches reply
    std::int64_t relative = 0;
    // A deletion fires the data and the child watch of a path: one event or two.
    std::string deleted_last;
  };

  void complete(const Operation& operation) {
    Client& client = clients_[operation.client];
    if (operation.header.zxid > 0 && !client.restoring) {
      must_have_fired(client, operation);
    }
    if (operation.op == OpCode::close_session) {
      client = {};
      return;
    }
    const auto* request = std::get_if<zkwire::PathWatchRequest>(&operation.request);
    if (request == nullptr || !request->watch || !is_modelled(request->path)) {
      return;
    }
    const bool missing = operation.header.err == static_cast<std::int32_t>(Code::no_node);
    if (operation.header.err != 0 && !(missing && operation.op == OpCode::exists)) {
      return;
    }
    const bool child =
        operation.op == OpCode::get_children || operation.op == OpCode::get_children2;
    const Kind kind = missing ? Kind::exist : child ? Kind::child : Kind::data;
    client.watches.try_emplace(Watch{kind, request->path}, operation.header.zxid);
  }

  void must_have_fired(const Client& client, const Operation& operation) {
    for (const auto& [watch, set_at] : client.watches) {
      const std::int64_t due = timelines_[watch.path].first_after(set_at, watch.kind);
      if (due != 0 && due <= operation.header.zxid) {
        findings_.add(
            fmt::format("watches: no event for {} of {:#x} (watch set at {:#x}) before: {}",
                        watch.path, due, set_at, describe(operation)));
      }
    }
  }

  void event(const Step& step) {
    if (!is_modelled(step.event.path)) {
      return;
    }
    Client& client = clients_[step.client];
    const EventType type = step.event.type;
    bool found = false;
    for (const Kind kind : {Kind::data, Kind::exist, Kind::child}) {
      // A restored watch of one kind may fire with the event of what it missed.
      const bool caught_up = step.zxid <= 0 && type == EventType::node_data_changed;
      if (!fires(kind, type) && !(caught_up && kind == Kind::exist)) {
        continue;
      }
      auto it = client.watches.find(Watch{kind, step.event.path});
      if (it == client.watches.end()) {
        continue;
      }
      found = true;
      const std::int64_t due = timelines_[step.event.path].first_after(it->second, kind);
      if (step.zxid > 0 && due != step.zxid) {
        findings_.add(
            fmt::format("watches: client {} heard of {} at {:#x}; the watch set at {:#x} "
                        "was due at {:#x}",
                        step.client, step.event.path, step.zxid, it->second, due));
      }
      client.watches.erase(it);
    }
    if (!found && !(type == EventType::node_deleted && client.deleted_last == step.event.path)) {
      findings_.add(fmt::format("watches: client {} heard of {} type {} zxid {:#x} without a watch",
                                step.client, step.event.path, static_cast<int>(type), step.zxid));
    }
    client.deleted_last = type == EventType::node_deleted ? step.event.path : "";
  }

  // What is still open after setWatches was set again at this zxid, and had not changed since.
  void restored(const Step& step) {
    Client& client = clients_[step.client];
    client.restoring = false;
    for (auto& [watch, set_at] : client.watches) {
      const Timeline& timeline = timelines_[watch.path];
      const bool exists = timeline.exists_at(step.zxid);
      bool missed = false;
      switch (watch.kind) {
        case Kind::exist: missed = exists; break;
        case Kind::data:
          missed = !exists || timeline.changed_within(client.relative, step.zxid,
                                                      EventType::node_data_changed);
          break;
        case Kind::child:
          missed = !exists || timeline.changed_within(client.relative, step.zxid,
                                                      EventType::node_children_changed);
          break;
      }
      if (missed && set_at < step.zxid) {
        findings_.add(
            fmt::format("watches: client {} set {} again at {:#x} (from {:#x}) and did "
                        "not hear what it had missed",
                        step.client, watch.path, step.zxid, client.relative));
      }
      set_at = std::max(set_at, step.zxid);
    }
  }

  const History& history_;
  Findings& findings_;
  std::map<std::string, Timeline> timelines_;
  std::map<int, Client> clients_;
};

}  // namespace

void check_watches(const History& history, const Model& model, Findings& findings) {
  WatchCheck(history, model, findings).run();
}

}  // namespace synod::sim::coordination
