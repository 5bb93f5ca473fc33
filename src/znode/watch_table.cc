#include "znode/watch_table.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "znode/tree.h"

namespace synod::znode {
namespace {

// A connection's list of places is looked through when it is longer than this and half stale.
constexpr std::size_t places_tidied_min = 16;

}  // namespace

// ---- paths and connections by index

WatchTable::PathIndex WatchTable::path_index(const std::string& path) {
  if (const PathIndex* known = path_indexes_.find(path)) {
    return *known;
  }
  PathIndex index = static_cast<PathIndex>(paths_.size());
  if (free_paths_.empty()) {
    paths_.emplace_back();
  } else {
    index = free_paths_.back();
    free_paths_.pop_back();
  }
  paths_[index].text = path;
  path_indexes_.insert(path, index);
  return index;
}

WatchTable::HolderIndex WatchTable::holder_index(Watcher watcher) {
  if (const HolderIndex* known = holders_.find(watcher.value())) {
    return *known;
  }
  HolderIndex index = static_cast<HolderIndex>(held_by_.size());
  if (free_holders_.empty()) {
    held_by_.emplace_back();
  } else {
    index = free_holders_.back();
    free_holders_.pop_back();
  }
  SYNOD_CHECK(index < (HolderIndex{1} << (32 - modes_bits)));
  held_by_[index].watcher = watcher;
  holders_.insert(watcher.value(), index);
  return index;
}

WatchTable::Presence* WatchTable::find_presence(PathIndex path, Table table, HolderIndex holder) {
  std::vector<Presence>& present = paths_[path].present[table];
  const auto at = std::lower_bound(present.begin(), present.end(), presence(holder, 0));
  return at == present.end() || holder_of(*at) != holder ? nullptr : &*at;
}

void WatchTable::erase_presence(PathIndex path, Table table, HolderIndex holder) {
  std::vector<Presence>& present = paths_[path].present[table];
  present.erase(std::lower_bound(present.begin(), present.end(), presence(holder, 0)));
}

// One place less where the connection is present. With the last the connection is forgotten.
void WatchTable::forget_place(HolderIndex holder) {
  --count_;
  Holder& h = held_by_[holder];
  if (--h.live > 0) {
    return;
  }
  holders_.erase(h.watcher.value());
  h = Holder{};
  free_holders_.push_back(holder);
}

void WatchTable::release_if_unwatched(PathIndex path) {
  Path& p = paths_[path];
  if (!p.present[data_table].empty() || !p.present[child_table].empty()) {
    return;
  }
  path_indexes_.erase(p.text);
  p = Path{};
  free_paths_.push_back(path);
}

// An index of a path may have been used again: what counts is where the connection is present.
void WatchTable::tidy_places(HolderIndex holder) {
  Holder& h = held_by_[holder];
  if (h.places.size() < places_tidied_min || h.places.size() < 2 * h.live) {
    return;
  }
  std::sort(h.places.begin(), h.places.end());
  h.places.erase(std::unique(h.places.begin(), h.places.end()), h.places.end());
  std::erase_if(h.places, [&](std::uint32_t place) {
    return find_presence(place / 2, static_cast<Table>(place % 2), holder) == nullptr;
  });
  SYNOD_CHECK(h.places.size() == h.live);
}

// ---- adding and removing

void WatchTable::add(Kind kind, const std::string& path, Watcher watcher) {
  switch (kind) {
    case Kind::data: add_to(data_table, path, watcher, standard); return;
    case Kind::child: add_to(child_table, path, watcher, standard); return;
    case Kind::persistent:
      add_to(data_table, path, watcher, persistent);
      add_to(child_table, path, watcher, persistent);
      return;
    case Kind::persistent_recursive: add_to(data_table, path, watcher, recursive); return;
  }
  SYNOD_UNREACHABLE("kind of watch");
}

void WatchTable::add_to(Table table, const std::string& path, Watcher watcher, Modes modes) {
  const PathIndex index = path_index(path);
  const HolderIndex holder = holder_index(watcher);
  std::vector<Presence>& present = paths_[index].present[table];
  auto at = std::lower_bound(present.begin(), present.end(), presence(holder, 0));
  if (at == present.end() || holder_of(*at) != holder) {
    at = present.insert(at, presence(holder, 0));
    ++count_;
    ++held_by_[holder].live;
    held_by_[holder].places.push_back(index * 2 + table);
  }
  recursive_count_ += (modes & ~*at & recursive) != 0 ? 1 : 0;
  *at |= modes;
  tidy_places(holder);
}

bool WatchTable::remove_from(Table table, const std::string& path, Watcher watcher, Modes modes) {
  const PathIndex* index = path_indexes_.find(path);
  const HolderIndex* holder = holders_.find(watcher.value());
  Presence* present =
      index == nullptr || holder == nullptr ? nullptr : find_presence(*index, table, *holder);
  if (present == nullptr || (*present & modes) == 0) {
    return false;
  }
  recursive_count_ -= (*present & modes & recursive) != 0 ? 1 : 0;
  *present &= ~modes;
  if (modes_of(*present) == 0) {
    const PathIndex emptied = *index;
    const HolderIndex of = *holder;
    erase_presence(emptied, table, of);
    release_if_unwatched(emptied);
    forget_place(of);
  }
  return true;
}

bool WatchTable::holds(Table table, const std::string& path, Watcher watcher, Modes modes) const {
  const PathIndex* index = path_indexes_.find(path);
  const HolderIndex* holder = holders_.find(watcher.value());
  if (index == nullptr || holder == nullptr) {
    return false;
  }
  const std::vector<Presence>& present = paths_[*index].present[table];
  const auto at = std::lower_bound(present.begin(), present.end(), presence(*holder, 0));
  return at != present.end() && holder_of(*at) == *holder && (*at & modes) != 0;
}

bool WatchTable::remove(Type type, const std::string& path, Watcher watcher) {
  switch (type) {
    case Type::children: return remove_from(child_table, path, watcher, standard);
    case Type::data: return remove_from(data_table, path, watcher, standard);
    case Type::any: {
      const bool data = remove_from(data_table, path, watcher, all);
      return remove_from(child_table, path, watcher, all) || data;
    }
    case Type::persistent: {
      const bool data = remove_from(data_table, path, watcher, persistent);
      return remove_from(child_table, path, watcher, persistent) || data;
    }
    case Type::persistent_recursive: return remove_from(data_table, path, watcher, recursive);
  }
  return false;
}

bool WatchTable::contains(Type type, const std::string& path, Watcher watcher) const {
  switch (type) {
    case Type::children: return holds(child_table, path, watcher, standard);
    case Type::data: return holds(data_table, path, watcher, standard);
    case Type::any:
      return holds(data_table, path, watcher, all) || holds(child_table, path, watcher, all);
    case Type::persistent: return holds(data_table, path, watcher, persistent);
    case Type::persistent_recursive: return holds(data_table, path, watcher, recursive);
  }
  return false;
}

void WatchTable::drop(Watcher watcher) {
  const HolderIndex* known = holders_.find(watcher.value());
  if (known == nullptr) {
    return;
  }
  const HolderIndex holder = *known;
  const std::vector<std::uint32_t> places = std::move(held_by_[holder].places);
  for (const std::uint32_t place : places) {
    const PathIndex path = place / 2;
    const auto table = static_cast<Table>(place % 2);
    // Stale places, and those named twice, are not there any more.
    const Presence* present = find_presence(path, table, holder);
    if (present == nullptr) {
      continue;
    }
    recursive_count_ -= (*present & recursive) != 0 ? 1 : 0;
    erase_presence(path, table, holder);
    release_if_unwatched(path);
    forget_place(holder);
  }
}

// ---- firing

void WatchTable::fire_in(Table table, PathIndex path, std::vector<Watcher>& told) {
  std::vector<Presence> kept;
  const std::vector<Presence> present = std::move(paths_[path].present[table]);
  told.reserve(told.size() + present.size());
  for (const Presence p : present) {
    const HolderIndex holder = holder_of(p);
    told.push_back(held_by_[holder].watcher);
    const Presence left = p & ~standard;
    if (modes_of(left) != 0) {
      kept.push_back(left);
    } else {
      forget_place(holder);
    }
  }
  paths_[path].present[table] = std::move(kept);
}

void WatchTable::add_recursive_ancestors(std::string_view path, std::vector<Watcher>& told) const {
  while (path.size() > 1) {
    path = parent_path(path);
    const PathIndex* index = path_indexes_.find(std::string(path));
    if (index == nullptr) {
      continue;
    }
    for (const Presence p : paths_[*index].present[data_table]) {
      if ((p & recursive) != 0) {
        told.push_back(held_by_[holder_of(p)].watcher);
      }
    }
  }
}

std::vector<Watcher> WatchTable::fire(zkwire::EventType type, const std::string& path) {
  std::vector<Watcher> told;
  if (count_ == 0) {
    return told;
  }
  const bool children = type == zkwire::EventType::node_children_changed;
  if (recursive_count_ > 0 && !children) {
    add_recursive_ancestors(path, told);
  }
  if (const PathIndex* index = path_indexes_.find(path)) {
    const PathIndex at = *index;
    if (!children) {
      fire_in(data_table, at, told);
    }
    if (children || type == zkwire::EventType::node_deleted) {
      fire_in(child_table, at, told);
    }
    release_if_unwatched(at);
  }
  std::sort(told.begin(), told.end());
  told.erase(std::unique(told.begin(), told.end()), told.end());
  return told;
}

// ---- what the four-letter words show

std::size_t WatchTable::places_kept(Watcher watcher) const {
  const HolderIndex* holder = holders_.find(watcher.value());
  return holder == nullptr ? 0 : held_by_[*holder].places.size();
}

std::size_t WatchTable::paths_watched() const {
  return static_cast<std::size_t>(std::count_if(
      paths_.begin(), paths_.end(), [](const Path& p) { return !p.present[data_table].empty(); }));
}

std::size_t WatchTable::data_count() const {
  std::size_t n = 0;
  for (const Path& path : paths_) {
    n += path.present[data_table].size();
  }
  return n;
}

void WatchTable::each_data_watch(
    const std::function<void(const std::string& path, Watcher)>& visit) const {
  std::map<std::string_view, const Path*> by_text;
  for (const Path& path : paths_) {
    if (!path.present[data_table].empty()) {
      by_text.emplace(path.text, &path);
    }
  }
  for (const auto& [text, path] : by_text) {
    for (const Presence p : path->present[data_table]) {
      visit(path->text, held_by_[holder_of(p)].watcher);
    }
  }
}

}  // namespace synod::znode
