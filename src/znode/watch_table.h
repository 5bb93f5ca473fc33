// The watches of one Edge's connections.
//
// Two tables, data and child: path -> connections, each with a set of modes (standard, persistent,
// persistent-recursive). A standard watch is consumed when it fires. Watches belong to a connection
// and are never replicated.
//
// Source      Apache ZooKeeper 3.9.5, WatchManager.java, DataTree.java.
// Invariants  I1  one event for a connection and a firing, however many of its modes match.
//             I2  a connection's `places` name every path and table where it is present, perhaps
//                 more: what fired or was removed stays until half of them are such.
// Purity      Pure. Events come out in order of Watcher.
// Memory      Nothing but empty containers while unused. A watch takes four bytes where its path
//             lists its connections and four where its connection lists its paths, times what their
//             vectors keep ahead; a path about 150 bytes and its text, a connection about 100.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/lookup.h"
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
  std::size_t paths_watched() const;
  std::size_t data_count() const;
  // Each pair of it, by path.
  void each_data_watch(const std::function<void(const std::string& path, Watcher)>& visit) const;
  std::size_t watchers() const { return holders_.size(); }
  bool empty() const { return count_ == 0; }
  bool is_watching(Watcher watcher) const { return holders_.contains(watcher.value()); }
  // For tests of the memory: how long the connection's list of places is.
  std::size_t places_kept(Watcher watcher) const;

 private:
  using Modes = std::uint32_t;  // bits
  static constexpr Modes standard = 1;
  static constexpr Modes persistent = 2;
  static constexpr Modes recursive = 4;
  static constexpr Modes all = standard | persistent | recursive;

  enum Table : std::uint32_t { data_table = 0, child_table = 1 };
  using PathIndex = std::uint32_t;
  using HolderIndex = std::uint32_t;
  // A connection's presence: its index above the modes. Lists ascend, so they are searched by
  // halves, and a connection that came last is put at the end.
  using Presence = std::uint32_t;
  static constexpr std::uint32_t modes_bits = 3;
  static Presence presence(HolderIndex holder, Modes modes) { return holder << modes_bits | modes; }
  static HolderIndex holder_of(Presence p) { return p >> modes_bits; }
  static Modes modes_of(Presence p) { return p & all; }

  struct Path {
    std::string text;
    std::vector<Presence> present[2];  // by Table
  };
  struct Holder {
    Watcher watcher;
    std::size_t live = 0;               // places where it is present
    std::vector<std::uint32_t> places;  // path index * 2 + table
  };

  void add_to(Table table, const std::string& path, Watcher watcher, Modes modes);
  bool remove_from(Table table, const std::string& path, Watcher watcher, Modes modes);
  bool holds(Table table, const std::string& path, Watcher watcher, Modes modes) const;
  void fire_in(Table table, PathIndex path, std::vector<Watcher>& told);
  void add_recursive_ancestors(std::string_view path, std::vector<Watcher>& told) const;

  PathIndex path_index(const std::string& path);
  HolderIndex holder_index(Watcher watcher);
  Presence* find_presence(PathIndex path, Table table, HolderIndex holder);
  void erase_presence(PathIndex path, Table table, HolderIndex holder);
  void forget_place(HolderIndex holder);
  void release_if_unwatched(PathIndex path);
  void tidy_places(HolderIndex holder);

  // Indexes name places of the vectors; freed ones are used again.
  Lookup<std::string, PathIndex> path_indexes_;
  std::vector<Path> paths_;
  std::vector<PathIndex> free_paths_;
  Lookup<std::uint64_t, HolderIndex> holders_;
  std::vector<Holder> held_by_;
  std::vector<HolderIndex> free_holders_;
  std::size_t count_ = 0;
  std::size_t recursive_count_ = 0;  // no ancestors are looked at while it is 0
};

}  // namespace synod::znode
