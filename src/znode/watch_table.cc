#include "znode/watch_table.h"

#include "base/check.h"
#include "znode/tree.h"

namespace synod::znode {
namespace {}  // namespace

void WatchTable::add(Kind kind, const std::string& path, Watcher watcher) {
  switch (kind) {
    case Kind::data: add_to(data_, path, watcher, standard); return;
    case Kind::child: add_to(child_, path, watcher, standard); return;
    case Kind::persistent:
      add_to(data_, path, watcher, persistent);
      add_to(child_, path, watcher, persistent);
      return;
    case Kind::persistent_recursive: add_to(data_, path, watcher, recursive); return;
  }
  SYNOD_UNREACHABLE("kind of watch");
}

void WatchTable::add_to(Table& table, const std::string& path, Watcher watcher, Modes mode) {
  Modes& modes = table[path][watcher];
  if (modes == 0) {
    ++count_;
    watchers_[watcher].emplace(&table == &child_, path);
  }
  if (mode == recursive && (modes & recursive) == 0) {
    ++recursive_count_;
  }
  modes = static_cast<Modes>(modes | mode);
}

bool WatchTable::remove_from(Table& table, const std::string& path, Watcher watcher, Modes modes) {
  const auto at = table.find(path);
  if (at == table.end()) {
    return false;
  }
  const auto entry = at->second.find(watcher);
  if (entry == at->second.end() || (entry->second & modes) == 0) {
    return false;
  }
  if ((entry->second & modes & recursive) != 0) {
    --recursive_count_;
  }
  entry->second = static_cast<Modes>(entry->second & ~modes);
  if (entry->second == 0) {
    forget(table, path, watcher);
    at->second.erase(entry);
    if (at->second.empty()) {
      table.erase(at);
    }
  }
  return true;
}

void WatchTable::forget(const Table& table, const std::string& path, Watcher watcher) {
  --count_;
  const auto entry = watchers_.find(watcher);
  entry->second.erase({&table == &child_, path});
  if (entry->second.empty()) {
    watchers_.erase(entry);
  }
}

bool WatchTable::holds(const Table& table, const std::string& path, Watcher watcher, Modes modes) {
  const auto at = table.find(path);
  if (at == table.end()) {
    return false;
  }
  const auto entry = at->second.find(watcher);
  return entry != at->second.end() && (entry->second & modes) != 0;
}

bool WatchTable::remove(Type type, const std::string& path, Watcher watcher) {
  switch (type) {
    case Type::children: return remove_from(child_, path, watcher, standard);
    case Type::data: return remove_from(data_, path, watcher, standard);
    case Type::any: {
      constexpr Modes all = standard | persistent | recursive;
      const bool data = remove_from(data_, path, watcher, all);
      return remove_from(child_, path, watcher, all) || data;
    }
    case Type::persistent: {
      const bool data = remove_from(data_, path, watcher, persistent);
      return remove_from(child_, path, watcher, persistent) || data;
    }
    case Type::persistent_recursive: return remove_from(data_, path, watcher, recursive);
  }
  return false;
}

bool WatchTable::contains(Type type, const std::string& path, Watcher watcher) const {
  switch (type) {
    case Type::children: return holds(child_, path, watcher, standard);
    case Type::data: return holds(data_, path, watcher, standard);
    case Type::any: {
      constexpr Modes all = standard | persistent | recursive;
      return holds(data_, path, watcher, all) || holds(child_, path, watcher, all);
    }
    case Type::persistent: return holds(data_, path, watcher, persistent);
    case Type::persistent_recursive: return holds(data_, path, watcher, recursive);
  }
  return false;
}

void WatchTable::drop(Watcher watcher) {
  const auto entry = watchers_.find(watcher);
  if (entry == watchers_.end()) {
    return;
  }
  const std::set<std::pair<bool, std::string>> places = std::move(entry->second);
  watchers_.erase(entry);
  for (const auto& place : places) {
    Table& table = place.first ? child_ : data_;
    const auto at = table.find(place.second);
    const auto mode = at->second.find(watcher);
    recursive_count_ -= (mode->second & recursive) != 0 ? 1 : 0;
    --count_;
    at->second.erase(mode);
    if (at->second.empty()) {
      table.erase(at);
    }
  }
}

void WatchTable::fire_in(Table& table, const std::string& path, std::set<Watcher>& told) {
  const auto at = table.find(path);
  if (at == table.end()) {
    return;
  }
  for (auto entry = at->second.begin(); entry != at->second.end();) {
    told.insert(entry->first);
    entry->second = static_cast<Modes>(entry->second & ~standard);
    if (entry->second == 0) {
      forget(table, path, entry->first);
      entry = at->second.erase(entry);
    } else {
      ++entry;
    }
  }
  if (at->second.empty()) {
    table.erase(at);
  }
}

std::vector<Watcher> WatchTable::fire(zkwire::EventType type, const std::string& path) {
  std::set<Watcher> told;
  if (count_ == 0) {
    return {};
  }
  if (type == zkwire::EventType::node_children_changed) {
    fire_in(child_, path, told);
    return {told.begin(), told.end()};
  }
  fire_in(data_, path, told);
  if (recursive_count_ > 0) {
    std::string_view ancestor = path;
    while (ancestor.size() > 1) {
      ancestor = parent_path(ancestor);
      const auto at = data_.find(std::string(ancestor));
      if (at == data_.end()) {
        continue;
      }
      for (const auto& entry : at->second) {
        if ((entry.second & recursive) != 0) {
          told.insert(entry.first);
        }
      }
    }
  }
  if (type == zkwire::EventType::node_deleted) {
    fire_in(child_, path, told);
  }
  return {told.begin(), told.end()};
}

std::size_t WatchTable::data_count() const {
  std::size_t n = 0;
  for (const auto& entry : data_) {
    n += entry.second.size();
  }
  return n;
}

}  // namespace synod::znode
