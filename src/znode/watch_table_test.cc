// The table of watches beside the plainest one there can be.
#include "znode/watch_table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "base/prng.h"
#include "znode/tree.h"

namespace synod::znode {
namespace {

using zkwire::EventType;
using Kind = WatchTable::Kind;
using Type = WatchTable::Type;

// (is a child watch, path, watcher) -> modes, and a walk over all for every question.
class PlainWatches {
 public:
  void add(Kind kind, const std::string& path, Watcher watcher) {
    if (kind == Kind::data || kind == Kind::child) {
      modes_[{kind == Kind::child, path, watcher}].insert(Kind::data);
    } else if (kind == Kind::persistent) {
      modes_[{false, path, watcher}].insert(Kind::persistent);
      modes_[{true, path, watcher}].insert(Kind::persistent);
    } else {
      modes_[{false, path, watcher}].insert(kind);
    }
  }
  bool remove(Type type, const std::string& path, Watcher watcher) {
    const bool removed = contains(type, path, watcher);
    for (const bool child : {false, true}) {
      auto& modes = modes_[{child, path, watcher}];
      for (const Kind mode : {Kind::data, Kind::persistent, Kind::persistent_recursive}) {
        if (concerns(type, child, mode)) {
          modes.erase(mode);
        }
      }
    }
    tidy();
    return removed;
  }
  bool contains(Type type, const std::string& path, Watcher watcher) const {
    for (const auto& [key, modes] : modes_) {
      for (const Kind mode : modes) {
        if (std::get<1>(key) == path && std::get<2>(key) == watcher &&
            concerns(type, std::get<0>(key), mode) &&
            !(type == Type::persistent && std::get<0>(key))) {
          return true;
        }
      }
    }
    return false;
  }
  void drop(Watcher watcher) {
    std::erase_if(modes_, [&](const auto& one) { return std::get<2>(one.first) == watcher; });
  }
  std::vector<Watcher> fire(EventType type, const std::string& path) {
    std::set<Watcher> told;
    const bool children = type == EventType::node_children_changed;
    for (auto& [key, modes] : modes_) {
      const auto& [child, watched, watcher] = key;
      const bool table = type == EventType::node_deleted || child == children;
      if (watched == path && table) {
        told.insert(watcher);
        modes.erase(Kind::data);
      } else if (!children && modes.count(Kind::persistent_recursive) > 0 &&
                 is_above(watched, path)) {
        told.insert(watcher);
      }
    }
    tidy();
    return {told.begin(), told.end()};
  }
  std::size_t count() const { return modes_.size(); }
  std::set<std::pair<std::string, Watcher>> data_pairs() const {
    std::set<std::pair<std::string, Watcher>> pairs;
    for (const auto& [key, modes] : modes_) {
      if (!std::get<0>(key)) {
        pairs.emplace(std::get<1>(key), std::get<2>(key));
      }
    }
    return pairs;
  }
  bool is_watching(Watcher watcher) const {
    for (const auto& [key, modes] : modes_) {
      if (std::get<2>(key) == watcher) {
        return true;
      }
    }
    return false;
  }

 private:
  static bool concerns(Type type, bool child, Kind mode) {
    switch (type) {
      case Type::children: return child && mode == Kind::data;
      case Type::data: return !child && mode == Kind::data;
      case Type::any: return true;
      case Type::persistent: return mode == Kind::persistent;
      case Type::persistent_recursive: return mode == Kind::persistent_recursive;
    }
    return false;
  }
  static bool is_above(std::string_view ancestor, std::string_view path) {
    while (path.size() > 1) {
      path = parent_path(path);
      if (path == ancestor) {
        return true;
      }
    }
    return false;
  }
  void tidy() {
    std::erase_if(modes_, [](const auto& one) { return one.second.empty(); });
  }

  std::map<std::tuple<bool, std::string, Watcher>, std::set<Kind>> modes_;
};

class BothTables {
 public:
  explicit BothTables(std::uint64_t seed) : prng_(seed) {}

  void act() {
    const std::string path = draw_path();
    const Watcher watcher(1 + prng_.below(6));
    switch (prng_.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const auto kind = static_cast<Kind>(prng_.below(4));
        table_.add(kind, path, watcher);
        plain_.add(kind, path, watcher);
        break;
      }
      case 4: {
        const auto type = static_cast<Type>(1 + prng_.below(5));
        EXPECT_EQ(table_.contains(type, path, watcher), plain_.contains(type, path, watcher));
        EXPECT_EQ(table_.remove(type, path, watcher), plain_.remove(type, path, watcher));
        break;
      }
      case 5:
        if (prng_.below(4) == 0) {
          table_.drop(watcher);
          plain_.drop(watcher);
        }
        break;
      default: {
        const auto type = static_cast<EventType>(1 + prng_.below(4));
        EXPECT_EQ(table_.fire(type, path), plain_.fire(type, path));
        break;
      }
    }
  }

  void compare() const {
    EXPECT_EQ(table_.count(), plain_.count());
    EXPECT_EQ(table_.empty(), plain_.count() == 0);
    std::size_t watchers = 0;
    for (std::uint64_t n = 1; n <= 6; ++n) {
      EXPECT_EQ(table_.is_watching(Watcher(n)), plain_.is_watching(Watcher(n)));
      watchers += plain_.is_watching(Watcher(n)) ? 1 : 0;
    }
    EXPECT_EQ(table_.watchers(), watchers);
    const auto pairs = plain_.data_pairs();
    EXPECT_EQ(table_.data_count(), pairs.size());
    std::set<std::string> watched;
    std::vector<std::string> in_order;
    std::set<std::pair<std::string, Watcher>> seen;
    table_.each_data_watch([&](const std::string& path, Watcher watcher) {
      in_order.push_back(path);
      watched.insert(path);
      seen.emplace(path, watcher);
    });
    EXPECT_TRUE(std::is_sorted(in_order.begin(), in_order.end()));
    EXPECT_EQ(seen, pairs);
    EXPECT_EQ(table_.paths_watched(), watched.size());
  }

 private:
  std::string draw_path() {
    static const std::vector<std::string> places = {"/",    "/a",     "/a/b",     "/a/b/c",
                                                    "/a/d", "/a/d/e", "/zoo/keep"};
    return places[prng_.below(places.size())];
  }

  Prng prng_;
  WatchTable table_;
  PlainWatches plain_;
};

TEST(WatchTable, DoesWhatThePlainestTableDoes) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    BothTables both(seed);
    for (int i = 0; i < 400; ++i) {
      both.act();
      if (i % 20 == 0) {
        both.compare();
      }
    }
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

// A connection that reads with a watch for ever, of nodes that change for ever, keeps a short list.
TEST(WatchTable, AWatchSetAgainAndAgainCostsWhatItCostsOnce) {
  WatchTable table;
  table.add(Kind::data, "/stays", Watcher(1));
  for (int i = 0; i < 100'000; ++i) {
    const std::string path = "/n" + std::to_string(i % 50);
    table.add(Kind::data, path, Watcher(1));
    ASSERT_EQ(table.fire(EventType::node_data_changed, path).size(), 1U);
  }
  EXPECT_EQ(table.count(), 1U);
  EXPECT_LE(table.places_kept(Watcher(1)), 16U);
}

}  // namespace
}  // namespace synod::znode
