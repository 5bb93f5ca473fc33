// The service scheduler: keeps the wanted number of instances of every app running.
//
// A framework on the public v1 API in its logic only: events in, effects out; the face
// (src/services) speaks HTTP and keeps the records.
//
// Source      Marathon's behaviour for apps (backoff, kill, scale), Mesos v1 scheduler API.
// Invariants  I1 a task is launched only after the record that names it is stored (Stored precedes
//                Accept), so a new leader never launches an instance twice.
//             I2 an instance has at most one task; a task that belongs to no instance is killed.
//             I3 every offer is accepted or declined exactly once, unless rescinded.
//             I4 ports of the tasks launched from one offer are disjoint and inside its ranges.
//             I5 an end after which an instance is not started again is acknowledged only when the
//                record that says so is stored: no leader runs a single run twice.
// Purity      Same events, same effects. No I/O, clock, chance.
// Threads     Confined to the owning Lane.
// Memory      Apps and instances; offers only between match and Stored.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "services/core/types.h"

namespace synod::services::core {

// --- events. `now` is the Lane's monotonic time.

// This process leads and has read the records. `token` makes its task ids unique for good.
struct Lead {
  Instant now;
  std::string token;
  std::vector<Record> records;
};
struct Subscribed {
  Instant now;
};
// The master went away; offers are void. Apps and instances stay.
struct Disconnected {
  Instant now;
};
struct Offers {
  Instant now;
  std::vector<Offer> offers;
};
struct Rescind {
  Instant now;
  std::string offer_id;
};
struct Update {
  Instant now;
  std::string task_id;
  std::string agent_id;
  TaskState state = TaskState::staging;
  std::string uuid;     // empty: not to be acknowledged
  std::string message;  // "exit status 3"
  std::string source;   // who says so: "executor", "agent", "master"; may be empty
};
// Creates the app, or changes it. `request` comes back in Reply.
struct Put {
  Instant now;
  std::uint64_t request = 0;
  App app;
};
struct Remove {
  Instant now;
  std::uint64_t request = 0;
  std::string name;
};
// Failed and backing-off instances start again at once; running ones are left alone.
struct Retry {
  Instant now;
  std::uint64_t request = 0;
  std::string name;
};
// The Store or Erase with this serial is durable.
struct Stored {
  Instant now;
  std::uint64_t serial = 0;
};
struct Tick {
  Instant now;
};

using Event = std::variant<Lead, Subscribed, Disconnected, Offers, Rescind, Update, Put, Remove,
                           Retry, Stored, Tick>;

// --- effects

struct TaskLaunch {
  std::string task_id;
  std::string name;  // "web.1"
  std::uint32_t index = 0;
  std::vector<std::uint32_t> ports;
};
struct Accept {
  std::string offer_id;
  std::string agent_id;
  App app;  // what all of `tasks` run
  std::vector<TaskLaunch> tasks;
};
struct Decline {
  std::string offer_id;
  Duration refuse;
};
struct Suppress {};
struct Revive {};
struct Kill {
  std::string task_id;
  std::string agent_id;
  Duration grace;
};
struct Acknowledge {
  std::string task_id;
  std::string agent_id;
  std::string uuid;
};
// Empty: implicit.
struct Reconcile {
  std::vector<std::pair<std::string, std::string>> tasks;  // (task id, agent id)
};
// Replaces the record of the app; answered by Stored. Later stores of one app follow earlier ones.
struct Store {
  std::uint64_t serial = 0;
  Record record;
};
struct Erase {
  std::uint64_t serial = 0;
  std::string name;
};
// Send Tick at or after `at`; replaces the timer set before.
struct SetTimer {
  Instant at;
};
struct Reply {
  std::uint64_t request = 0;
  std::string error;  // empty: done, and durable
};
// What happened to an app, in words, for `synod run` and the page.
struct Note {
  std::string app;
  std::uint32_t index = 0;  // 0: the app as a whole
  std::string kind;  // "launched", "running", "ended", "restarting", "gave_up", "killed", "wanted"
  std::string text;
  // Of the launch it tells of, for whoever wants its output; empty for what is of no one launch.
  std::string task_id;
  std::string agent_id;
};

using Effect = std::variant<Accept, Decline, Suppress, Revive, Kill, Acknowledge, Reconcile, Store,
                            Erase, SetTimer, Reply, Note>;
using Effects = std::vector<Effect>;

class Core {
 public:
  void step(const Event& event, Effects& effects);

  struct Entry {
    App app;
    bool removed = false;
    std::map<std::uint32_t, Instance> instances;  // by index
  };
  const std::map<std::string, Entry>& apps() const { return apps_; }

  std::uint64_t digest() const;
  // Empty, or the first invariant that does not hold.
  std::string check() const;

 private:
  // A match that waits for its record: offers are held for the length of one write.
  struct Pending {
    std::string offer_id;
    std::string agent_id;
    std::string app;
    std::vector<TaskLaunch> tasks;
    std::uint64_t serial = 0;
  };
  struct Waiter {
    std::uint64_t request = 0;
    std::string erased;  // the app whose erasure this serial is; empty for a store
  };

  void on(const Lead& event, Effects& effects);
  void on(const Subscribed& event, Effects& effects);
  void on(const Disconnected& event, Effects& effects);
  void on(const Offers& event, Effects& effects);
  void on(const Rescind& event, Effects& effects);
  void on(const Update& event, Effects& effects);
  void on(const Put& event, Effects& effects);
  void on(const Remove& event, Effects& effects);
  void on(const Retry& event, Effects& effects);
  void on(const Stored& event, Effects& effects);
  void on(const Tick& event, Effects& effects);

  void set_phase(Instance& instance, Phase phase, Instant now);
  void ended(Entry& entry, Instance& instance, const Update& event, Effects& effects);
  bool waits_for_record(const Update& event);
  void after_failure(Entry& entry, Instance& instance, Instant now, Effects& effects);
  void stop(Entry& entry, Instance& instance, Instant now, Effects& effects);
  void settle(Entry& entry, Instant now, Effects& effects);
  bool match(const Offer& offer, Instant now, Effects& effects);
  void launch(Pending pending, Instant now, Effects& effects);
  void withdraw(const Pending& pending, Instant now);
  std::uint64_t store(const Entry& entry, Effects& effects);
  void settle_all(Instant now, Effects& effects);
  void finish_removal(const std::string& name, Effects& effects);
  void want_offers(Effects& effects);
  void set_timer(Effects& effects);
  std::uint64_t waiting_count() const;
  std::pair<Entry*, Instance*> find_task(const std::string& task_id);

  std::map<std::string, Entry> apps_;
  std::map<std::string, std::pair<std::string, std::uint32_t>> tasks_;  // task id -> app, index
  std::vector<Pending> pending_;
  // Ends being recorded, by the serial of the record; a uuid may still be missing.
  std::map<std::uint64_t, Acknowledge> unacknowledged_;
  std::map<std::uint64_t, Waiter> waiters_;  // by serial
  std::string token_;
  std::uint64_t launches_ = 0;
  std::uint64_t serial_ = 0;
  Instant timer_ = Instant::max();
  std::uint64_t spread_ = 1;  // instances of one app that one offer may take while others wait
  bool leading_ = false;
  bool subscribed_ = false;
  bool suppressed_ = false;
  bool offered_ = false;  // since the last Subscribed
};

std::ostream& operator<<(std::ostream& out, const Effect& effect);

}  // namespace synod::services::core
