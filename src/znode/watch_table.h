// The watches of one Edge's connections.
//
// Two tables, data and child: path -> connections, each with a set of modes (standard, persistent,
// persistent-recursive). A standard watch is consumed when it fires. Watches belong to a connection
// and are never replicated.
//
// Source      Apache ZooKeeper 3.9.5, WatchManager.java, DataTree.java.
// Invariants  I1  one event for a connection and a firing, however many of its modes match.
//             I2  `watchers_` lists exactly the (table, path) pairs where a connection is present.
// Purity      Pure. Events come out in order of Watcher.
// Memory      Nothing but two empty maps while unused.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strong_id.h"
#include "zkwire/records.h"

namespace synod::znode {

// A connection of this Edge.
using Watcher = StrongId<struct WatcherTag, std::uint64_t>;

class WatchTable {
 public:
  // What exists, getData, getChildren and addWatch register.
  enum class Kind : std::uint8_t { data, child, persistent, persistent_recursive };

  // The `type` of removeWatches and checkWatches. Frozen.
  enum class Type : std::int32_t {
    children = 1,
    data = 2,
    any = 3,
    persistent = 4,
    persistent_recursive = 5,
  };

  void add(Kind kind, const std::string& path, Watcher watcher);
  // False if there was none: NOWATCHER.
  bool remove(Type type, const std::string& path, Watcher watcher);
  bool contains(Type type, const std::string& path, Watcher watcher) const;
  // The connection has ended.
  void drop(Watcher watcher);

  // The connections to tell about an event at `path`, in order; standard watches are consumed.
  // node_deleted looks at both tables, node_children_changed at the child table, the others at the
  // data table.
  std::vector<Watcher> fire(zkwire::EventType type, const std::string& path);

  // Connection x path pairs over both tables.
  std::size_t count() const { return count_; }
  // Of the data table, as the four-letter words show it.
  std::size_t paths_watched() const { return data_.size(); }
  std::size_t data_count() const;
  std::size_t watchers() const { return watchers_.size(); }
  const std::map<std::string, std::map<Watcher, std::uint8_t>>& data_table() const { return data_; }
  bool empty() const { return count_ == 0; }
  bool is_watching(Watcher watcher) const { return watchers_.count(watcher) != 0; }

 private:
  using Modes = std::uint8_t;  // bits
  using Table = std::map<std::string, std::map<Watcher, Modes>>;

  static constexpr Modes standard = 1;
  static constexpr Modes persistent = 2;
  static constexpr Modes recursive = 4;

  void add_to(Table& table, const std::string& path, Watcher watcher, Modes mode);
  bool remove_from(Table& table, const std::string& path, Watcher watcher, Modes modes);
  static bool holds(const Table& table, const std::string& path, Watcher watcher, Modes modes);
  void fire_in(Table& table, const std::string& path, std::set<Watcher>& told);
  void forget(const Table& table, const std::string& path, Watcher watcher);

  Table data_;
  Table child_;
  // For drop(): which paths of which table (false: data, true: child) a connection is in.
  std::map<Watcher, std::set<std::pair<bool, std::string>>> watchers_;
  std::size_t count_ = 0;
  std::size_t recursive_count_ = 0;  // no ancestors are looked at while it is 0
};

}  // namespace synod::znode
