// Whole coordinators that lose what is on their disks. What peers hold makes a damaged disk whole;
// what nobody holds is never served as if it had not been.
#include "coordinator/restarted_ensemble_test.h"

namespace synod::coordinator {
namespace {

constexpr const char* log_path = "/data/log";
constexpr const char* snapshots_path = "/data/snapshots";

class RottenEnsemble : public RestartedEnsemble {
 public:
  explicit RottenEnsemble(std::uint64_t seed, int size = 3) : RestartedEnsemble(seed, size) {}

  bool begin(std::size_t writes) {
    start_all();
    start_client();
    return write_more(writes) && rest();
  }
  // The witness of the last group is written when it is quiet.
  bool rest() {
    writer().pause();
    world().run_for(Duration::millis(500));
    return true;
  }
  bool go_on(std::size_t writes) {
    writer().resume();
    return write_more(writes);
  }
  // Data that stands in all logs, of the writes before the last `behind` ones.
  std::string data(std::size_t behind) {
    for (std::size_t number = written(); number-- > behind;) {
      std::string text = fmt::format("data of /n{}", number - behind);
      bool everywhere = true;
      for (int id = 1; id <= size(); ++id) {
        everywhere = everywhere && find(id, text) > 0;
      }
      if (everywhere) {
        return text;
      }
    }
    return "there is none";
  }
  void power_off_all(int size = 3) {
    for (int id = 1; id <= size; ++id) {
      machine(id).power_off();
    }
  }
  void restart_all() {
    for (int id = 1; id <= size(); ++id) {
      restart(id);
    }
  }
  std::vector<std::string> files(int id, const std::string& directory, const std::string& prefix) {
    std::vector<std::string> found;
    for (const std::string& name : machine(id).disk().list(directory).value_or({})) {
      if (name.starts_with(prefix)) {
        found.push_back(directory + "/" + name);
      }
    }
    return found;
  }
  // Wherever this text stands in the log of the node. Returns in how many places.
  int spoil(int id, const std::string& text) { return find(id, text, true); }
  int find(int id, const std::string& text, bool flip = false) {
    int places = 0;
    sim::SimDisk& disk = machine(id).disk();
    for (const std::string& path : files(id, log_path, "segment-")) {
      const Bytes bytes = ports::read_file(disk, path, 1 << 24).value_or("");
      for (std::size_t at = bytes.find(text); at != Bytes::npos; at = bytes.find(text, at + 1)) {
        places += !flip || disk.flip_bit(path, at + 2, 4) ? 1 : 0;
      }
    }
    return places;
  }
  void spoil_snapshots(int id) {
    for (const std::string& path : files(id, snapshots_path, "snapshot-")) {
      ASSERT_TRUE(machine(id).disk().flip_bit(path, 150, 2));
    }
  }
  bool set_aside(int id) { return !files(id, "/data", "log.damaged-").empty(); }
  std::string reason(int id) {
    return node(id) == nullptr ? "ended" : node(id)->shared().view.reason;
  }
  std::string all_missing(int size = 3) {
    std::string text;
    for (int id = 1; id <= size; ++id) {
      text += missing(id);
    }
    return text;
  }
};

TEST(Repair, ACorruptEntryIsFetchedFromPeersWhileTheOthersServe) {
  RottenEnsemble e(1);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.machine(2).power_off();
  ASSERT_GT(e.spoil(2, data), 0);
  ASSERT_TRUE(e.go_on(20));
  e.restart(2);
  ASSERT_TRUE(e.write_more(20));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.all_missing(), "");
  EXPECT_TRUE(e.set_aside(2));
  e.world().run_for(Duration::seconds(5));  // the log has readmitted it
  // It is a full voter: with another one gone there is a quorum.
  e.machine(1).power_off();
  ASSERT_TRUE(e.go_on(20));
}

TEST(Repair, OneIntactCopyIsEnough) {
  RottenEnsemble e(2);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.power_off_all();
  ASSERT_GT(e.spoil(1, data), 0);
  ASSERT_GT(e.spoil(3, data), 0);
  e.restart_all();
  ASSERT_TRUE(e.go_on(20));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.all_missing(), "");
  EXPECT_TRUE(e.set_aside(1) && e.set_aside(3) && !e.set_aside(2));
}

TEST(Repair, EachHasLostSomethingElse) {
  RottenEnsemble e(3);
  ASSERT_TRUE(e.begin(22));
  const std::string data[] = {e.data(2), e.data(8), e.data(14)};
  e.power_off_all();
  for (int id = 1; id <= 3; ++id) {
    ASSERT_GT(e.spoil(id, data[id - 1]), 0);
  }
  e.restart_all();
  ASSERT_TRUE(e.go_on(20));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.all_missing(), "");
}

TEST(Repair, WhatNobodyHoldsIsSaidAndNothingIsServedAroundIt) {
  RottenEnsemble e(4);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.power_off_all();
  for (int id = 1; id <= 3; ++id) {
    ASSERT_GT(e.spoil(id, data), 0);
  }
  e.restart_all();
  EXPECT_FALSE(e.go_on(1));
  for (int id = 1; id <= 3; ++id) {
    ASSERT_NE(e.node(id), nullptr);
    EXPECT_FALSE(e.node(id)->shared().view.serving);
    EXPECT_NE(e.reason(id).find("repairs its log from peers: slot"), std::string::npos)
        << e.reason(id);
    EXPECT_FALSE(e.set_aside(id));
  }
}

TEST(Repair, OneAloneSaysWhatItCannotRead) {
  RottenEnsemble e(5, 1);
  ASSERT_TRUE(e.begin(20));
  const std::string data = e.data(3);
  e.machine(1).power_off();
  ASSERT_GT(e.spoil(1, data), 0);
  e.restart(1);
  e.world().run_for(Duration::seconds(2));
  EXPECT_NE(e.reason(1).find("cannot be read, and there is no peer to ask"), std::string::npos)
      << e.reason(1);
}

// No restart in between: the rot is met when somebody needs what it hit.
TEST(Repair, ALeaderThatCannotReadItsLogTeachesBySnapshot) {
  RottenEnsemble e(9);
  ASSERT_TRUE(e.begin(20));
  const int leader = static_cast<int>(e.node(1)->shared().view.leader.value());
  const int lagging = leader % 3 + 1;
  e.machine(lagging).power_off();
  ASSERT_TRUE(e.go_on(10));
  ASSERT_TRUE(e.rest());
  int spoiled = 0;
  for (std::size_t number = e.written(); number-- > 22 && spoiled == 0;) {
    spoiled = e.spoil(leader, fmt::format("data of /n{}", number));
  }
  ASSERT_GT(spoiled, 0);
  e.restart(lagging);
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(lagging), "");
  EXPECT_EQ(static_cast<int>(e.node(lagging)->shared().view.leader.value()), leader);
}

TEST(Repair, ADamagedSnapshotComesFromAPeer) {
  RottenEnsemble e(6);
  ASSERT_TRUE(e.begin(400));
  ASSERT_FALSE(e.machine(2).disk().exists("/data/log/segment-0000000000000001").value_or(true))
      << "the log was to be shortened";
  e.machine(2).power_off();
  e.spoil_snapshots(2);
  e.restart(2);
  ASSERT_TRUE(e.go_on(30));
  ASSERT_TRUE(e.settle()) << e.reason(2);
  EXPECT_EQ(e.all_missing(), "");
}

TEST(Repair, DamageThatTheSnapshotCoversNeedsNobody) {
  RottenEnsemble e(7, 1);
  ASSERT_TRUE(e.begin(120));
  e.machine(1).power_off();
  const auto segments = e.files(1, log_path, "segment-");
  ASSERT_GT(segments.size(), 1U);
  ASSERT_TRUE(e.machine(1).disk().flip_bit(segments.front(), 4096 + 30, 1));
  e.restart(1);
  ASSERT_TRUE(e.go_on(30));
  ASSERT_TRUE(e.settle());
  EXPECT_EQ(e.missing(1), "");
  EXPECT_TRUE(e.set_aside(1));
}

// Anything may go bad on one member between its lives: its peers make up for it.
TEST(Repair, AnyDamageOfOneMemberIsMadeGood) {
  int repaired = 0;
  for (std::uint64_t seed = 20; seed < 40; ++seed) {
    RottenEnsemble e(seed);
    ASSERT_TRUE(e.begin(30 + seed * 5));
    Prng prng(seed);
    for (int life = 0; life < 3; ++life) {
      const int id = 1 + static_cast<int>(prng.below(3));
      e.machine(id).power_off();
      std::vector<std::string> paths = e.files(id, log_path, "segment-");
      const auto snapshots = e.files(id, snapshots_path, "");
      paths.insert(paths.end(), snapshots.begin(), snapshots.end());
      sim::SimDisk& disk = e.machine(id).disk();
      for (std::uint64_t flips = 1 + prng.below(4); flips > 0; --flips) {
        const std::string path = paths[prng.below(paths.size())];
        const std::uint64_t size = ports::read_file(disk, path, 1 << 24).value_or("").size();
        if (size > 0) {
          disk.flip_bit(path, prng.below(size), static_cast<unsigned>(prng.below(8)));
        }
      }
      ASSERT_TRUE(e.go_on(10)) << "seed " << seed << " life " << life << " without " << id << ": "
                               << e.reason(1) << "; " << e.reason(2) << "; " << e.reason(3);
      e.restart(id);
      ASSERT_TRUE(e.write_more(20)) << "seed " << seed;
      e.writer().pause();
      const auto caught_up = [&] { return e.applied(id) == e.applied(1 + id % 3); };
      ASSERT_TRUE(e.world().run_until(e.world().now() + Duration::seconds(60), caught_up))
          << "seed " << seed << " node " << id << ": " << e.reason(id);
      e.world().run_for(Duration::seconds(1));
      repaired += e.set_aside(id) ? 1 : 0;
    }
    ASSERT_TRUE(e.settle()) << "seed " << seed;
    EXPECT_EQ(e.all_missing(), "") << "seed " << seed;
  }
  EXPECT_GT(repaired, 5);
}

}  // namespace
}  // namespace synod::coordinator
