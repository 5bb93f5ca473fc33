// The registry: what must survive a master, written in order and only by the one that leads.
//
// The election raises the epoch before it announces a winner, and only then the registry is read:
// whoever led before can change nothing after that read, since each of its writes checks its own
// candidate node and the version of the epoch node. Changes are gathered while a write is under
// way and go together, one write at a time, at most 512 KiB. Each write carries its number; after a
// lost connection the number found tells whether it was made, before it is made again.
//
// Source      docs/design.md, section 6; docs/formats/registry.md.
// Invariants  G1 nothing is read before the epoch is raised.
//             G2 one write under way; done() in the order of change().
//             G3 every write checks the candidate node and the version of the epoch node.
// Threads     Confined to the Seat's Lane.
// Memory      A copy of the registry, and the changes that wait.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/planted.h"
#include "master/records.h"
#include "master/store.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::master {

struct RegistryOptions {
  std::string path;  // "/mesos.synod"
  std::string master_id;
  std::string address;
  Duration session_timeout;
  Duration store_timeout = Duration::seconds(20);
  PlantedBug planted = PlantedBug::none;
};

class Registry {
 public:
  struct Handlers {
    // Everything was read. `before`: who led before, if anybody did.
    std::function<void(std::optional<ReignRecord> before)> taken;
    std::function<void(core::OperationKey)> done;
    // This master must end: deposed, or the service does not answer.
    std::function<void(const std::string& why)> fatal;
  };

  Registry(ports::Lane& lane, Store& store, RegistryOptions options, Handlers handlers);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // PlantedBug::read_registry_before_epoch only: reads now, and not after the epoch was raised.
  void read_early();
  // The epoch of this leadership was raised; `candidate` is the master's node in the election.
  void take_over(const core::Leadership& leadership, const std::string& candidate, WallTime now);

  const Records& records() const { return records_; }
  // After taken().
  void change(core::ToRegistry change);
  void note(Happening happening);

 private:
  struct Waiting {
    std::variant<core::ToRegistry, Happening, ReignRecord> change;
  };

  void retry_later(std::function<void()> what);
  void fail(const std::string& why);
  std::string at(const std::string& path) const { return options_.path + path; }

  // Taking over, in this order.
  void make_parents(std::size_t next);
  void confirm_epoch();
  void read_all();
  void read_children(const std::string& parent);
  void read_one(const std::string& path);
  void read_finished();
  void after_reading();

  void write_next();
  void send();
  void settle();
  void finished();

  ports::Lane& lane_;
  Store& store_;
  RegistryOptions options_;
  Handlers handlers_;
  Records records_;

  std::string candidate_;
  ReignRecord reign_;
  std::int32_t epoch_version_ = 0;
  std::size_t reads_open_ = 0;
  bool early_ = false;  // planted: nobody has made the parents yet
  bool reading_ = false;
  bool was_read_ = false;
  bool confirmed_ = false;  // the epoch node is ours
  bool taken_ = false;
  bool failed_ = false;

  std::deque<Waiting> waiting_;
  bool writing_ = false;
  std::uint64_t writes_made_ = 0;
  std::vector<StoreChange> write_;     // under way, with its number
  std::set<std::string> write_paths_;  // nodes it touches
  std::vector<core::OperationKey> write_keys_;
  bool last_change_exists_ = false;
  ports::TimerId deadline_;
  ports::Scope scope_;
};

}  // namespace synod::master
