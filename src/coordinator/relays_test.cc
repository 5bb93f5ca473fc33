// Ways around connections that stay away (peer/relays.h).
#include "coordinator/peer/relays.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/peer/links.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/world.h"

namespace synod::coordinator::peer {
namespace {

// ---- one that passes on or hears, and what it would send

struct RelaySeat {
  sim::World world{sim::WorldOptions{.seed = 5}};
  std::set<NodeId> reached{NodeId(1), NodeId(2), NodeId(3)};
  std::vector<std::string> done;
  std::unique_ptr<Relays> relays;

  explicit RelaySeat(NodeId self) {
    sim::MachineOptions machine;
    machine.name = "m";
    machine.address = "10.0.0.9";
    world.add_machine(machine).start("relays", [this, self](sim::SimProcess& started) {
      relays = std::make_unique<Relays>(started.main_lane(), self, owner());
      return sim::Program(std::make_shared<int>(0));
    });
    world.run_for(Duration::millis(1));
    relays->want({NodeId(1), NodeId(2), NodeId(3)});
  }
  ~RelaySeat() { relays.reset(); }

  RelaysOwner owner() {
    const auto note = [this](const char* what) {
      return [this, what](NodeId node) { done.push_back(what + std::to_string(node.value())); };
    };
    RelaysOwner owner;
    owner.reaches = [this](NodeId node) { return reached.count(node) != 0; };
    owner.hears = [](NodeId) { return false; };
    owner.send = [this](NodeId to, const PeerMessage& message) {
      const bool goes = reached.count(to) != 0;
      if (goes) {
        done.push_back("to " + std::to_string(to.value()) + ": " + told(message));
      }
      return goes;
    };
    owner.end_incoming = note("ends what came from ");
    owner.on_up = note("up ");
    owner.on_down = note("down ");
    owner.on_silent = note("silent ");
    owner.on_message = [this](NodeId from, const PeerMessage& message) {
      done.push_back("from " + std::to_string(from.value()) + ": " + told(message));
    };
    return owner;
  }

  static std::string told(const PeerMessage& message) {
    if (const auto* open = std::get_if<RelayOpen>(&message)) {
      return "open " + std::to_string(open->path);
    }
    if (const auto* relayed = std::get_if<Relayed>(&message)) {
      return "relayed by " + std::to_string(relayed->path);
    }
    if (const auto* broken = std::get_if<RelayBroken>(&message)) {
      return "broken " + std::to_string(broken->path);
    }
    const auto* ask = std::get_if<SyncAsk>(&message);
    return ask == nullptr ? "another" : "ask " + std::to_string(ask->ticket);
  }

  std::vector<std::string> take(NodeId from, const PeerMessage& message) {
    done.clear();
    EXPECT_TRUE(relays->take(from, message));
    return done;
  }
};

using Lines = std::vector<std::string>;

Relayed relayed(std::uint64_t path, std::uint64_t ticket) {
  return {NodeId(1), NodeId(2), path, encode_payload(SyncAsk{ticket})};
}

TEST(Relays, only_frames_of_the_path_that_was_opened_last_count) {
  RelaySeat two(NodeId(2));
  EXPECT_EQ(two.take(NodeId(3), RelayOpen{NodeId(1), NodeId(2), 7}),
            Lines{"ends what came from 1"});
  EXPECT_EQ(two.take(NodeId(3), relayed(7, 100)), Lines{"from 1: ask 100"});
  two.take(NodeId(3), RelayOpen{NodeId(1), NodeId(2), 8});
  EXPECT_EQ(two.take(NodeId(3), relayed(7, 101)), Lines{"to 3: broken 7"});
  EXPECT_EQ(two.take(NodeId(3), relayed(8, 102)), Lines{"from 1: ask 102"});
  two.relays->on_heard(NodeId(1));  // it has dialled us
  EXPECT_EQ(two.take(NodeId(3), relayed(8, 103)), Lines{"to 3: broken 8"});
}

TEST(Relays, a_relay_that_loses_a_frame_breaks_the_path) {
  RelaySeat three(NodeId(3));
  EXPECT_EQ(three.take(NodeId(1), RelayOpen{NodeId(1), NodeId(2), 7}), Lines{"to 2: open 7"});
  EXPECT_EQ(three.take(NodeId(1), relayed(7, 100)), Lines{"to 2: relayed by 7"});
  three.reached.erase(NodeId(2));
  EXPECT_EQ(three.take(NodeId(1), relayed(7, 101)), Lines{"to 1: broken 7"});
  three.reached.insert(NodeId(2));
  // Between the two lies one that is lost: what comes now must not arrive.
  EXPECT_EQ(three.take(NodeId(1), relayed(7, 102)), Lines{});
}

TEST(Relays, a_relay_whose_connection_ends_tells_the_origins) {
  RelaySeat three(NodeId(3));
  three.take(NodeId(1), RelayOpen{NodeId(1), NodeId(2), 7});
  three.done.clear();
  three.relays->on_direct_down(NodeId(2));
  EXPECT_EQ(three.done, Lines{"to 1: broken 7"});
}

TEST(Relays, what_the_target_refuses_goes_back_to_the_origin) {
  RelaySeat three(NodeId(3));
  three.take(NodeId(1), RelayOpen{NodeId(1), NodeId(2), 7});
  EXPECT_EQ(three.take(NodeId(2), RelayBroken{NodeId(1), NodeId(2), 6}), Lines{});
  EXPECT_EQ(three.take(NodeId(2), RelayBroken{NodeId(1), NodeId(2), 7}), Lines{"to 1: broken 7"});
}

TEST(Relays, nobody_speaks_for_others) {
  RelaySeat three(NodeId(3));
  EXPECT_EQ(three.take(NodeId(2), RelayOpen{NodeId(1), NodeId(2), 7}), Lines{});
  RelaySeat two(NodeId(2));
  const auto stranger = RelayOpen{NodeId(9), NodeId(2), 7};
  EXPECT_EQ(two.take(NodeId(3), stranger), Lines{"to 3: broken 7"});
}

// ---- three servers on a network

struct RelayStation {
  std::unique_ptr<Links> links;
  std::vector<std::string> heard;

  RelayStation(sim::SimProcess& process, NodeId self, std::uint16_t format) {
    LinksOptions options;
    options.self = self;
    options.format = format;
    for (std::uint32_t node = 1; node <= 3; ++node) {
      const ports::HostPort at{"10.0.0." + std::to_string(node), 2888};
      if (NodeId(node) == self) {
        options.listen = at;
      } else {
        options.others.emplace(NodeId(node), at);
      }
    }
    const auto note = [this](NodeId node, const std::string& what) {
      heard.push_back(std::to_string(node.value()) + what);
    };
    LinksEvents events;
    events.on_up = [note](NodeId node) { note(node, " up"); };
    events.on_down = [note](NodeId node, bool) { note(node, " down"); };
    events.on_message = [note](NodeId node, const PeerMessage& message) {
      if (const auto* ask = std::get_if<SyncAsk>(&message)) {
        note(node, " says " + std::to_string(ask->ticket));
      }
    };
    events.identity = [] { return std::pair(ClusterId(9), Incarnation(1)); };
    events.on_failed = [](const Error& error) { FAIL() << error.message; };
    links = std::make_unique<Links>(process.main_lane(), process.network(), options, events);
  }
};

class RelayLinks : public ::testing::Test {
 protected:
  void start_all(std::uint16_t format_of_third = format_newest) {
    for (std::uint32_t node = 1; node <= 3; ++node) {
      sim::MachineOptions options;
      options.name = "m" + std::to_string(node);
      options.address = "10.0.0." + std::to_string(node);
      const std::uint16_t format = node == 3 ? format_of_third : format_newest;
      processes_.push_back(
          &world_.add_machine(options).start("links", [node, format](sim::SimProcess& process) {
            return sim::Program(std::make_shared<RelayStation>(process, NodeId(node), format));
          }));
    }
    world_.run_for(Duration::seconds(2));
  }
  RelayStation& station(std::uint32_t node) {
    return *processes_[node - 1]->program<RelayStation>();
  }
  bool up(std::uint32_t from, std::uint32_t to) { return station(from).links->up(NodeId(to)); }
  // From 1 to 2 and back, in order.
  void talk() {
    Lines one;
    Lines two;
    station(1).heard.clear();
    station(2).heard.clear();
    for (std::uint64_t i = 0; i < 50; ++i) {
      EXPECT_TRUE(station(1).links->send(NodeId(2), SyncAsk{i}));
      EXPECT_TRUE(station(2).links->send(NodeId(1), SyncAsk{100 + i}));
      two.push_back("1 says " + std::to_string(i));
      one.push_back("2 says " + std::to_string(100 + i));
    }
    world_.run_for(Duration::seconds(1));
    EXPECT_EQ(station(1).heard, one);
    EXPECT_EQ(station(2).heard, two);
  }
  // True once `done`, within a time that is generous.
  template <typename F>
  bool wait(F done) {
    return world_.run_until(world_.now() + Duration::seconds(20), done);
  }

  sim::World world_{sim::WorldOptions{.seed = 4}};
  std::vector<sim::SimProcess*> processes_;
};

TEST_F(RelayLinks, two_that_are_cut_apart_talk_through_the_third_until_they_are_not) {
  start_all();
  talk();
  world_.network().cut_both("m1", "m2");
  ASSERT_TRUE(wait([&] { return !up(1, 2) && !up(2, 1); }));
  ASSERT_TRUE(wait([&] { return up(1, 2) && up(2, 1); }));
  world_.run_for(Duration::seconds(1));
  talk();
  // A dial that fails is no news as long as there is a way around.
  station(1).heard.clear();
  world_.run_for(Duration::seconds(10));
  EXPECT_EQ(station(1).heard, Lines{});
  world_.network().heal("m1", "m2");
  world_.network().heal("m2", "m1");
  ASSERT_TRUE(wait([&] { return station(1).heard == Lines{"2 down", "2 up"}; }));
  world_.run_for(Duration::seconds(2));
  talk();
}

TEST_F(RelayLinks, the_way_ends_with_the_one_in_the_midst) {
  start_all();
  world_.network().cut_both("m1", "m2");
  ASSERT_TRUE(wait([&] { return !up(1, 2); }));
  ASSERT_TRUE(wait([&] { return up(1, 2); }));
  processes_[2]->kill();
  EXPECT_TRUE(wait([&] { return !up(1, 2) && !up(1, 3); }));
}

TEST_F(RelayLinks, one_that_knows_no_relays_is_none) {
  start_all(format_of_relays - 1);
  world_.network().cut_both("m1", "m2");
  ASSERT_TRUE(wait([&] { return !up(1, 2); }));
  world_.run_for(Duration::seconds(10));
  EXPECT_FALSE(up(1, 2));
  EXPECT_TRUE(up(1, 3));
}

}  // namespace
}  // namespace synod::coordinator::peer
