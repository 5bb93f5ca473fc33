#include "sim/world.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ports/processes.h"
#include "ports/scope.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/processes.h"

namespace synod::sim {
namespace {

struct Heard final : ports::StreamHandler {
  void on_bytes(ByteView view) override {
    bytes += view;
    if (echo) {
      stream->write(Bytes(view));
    }
  }
  void on_eof() override { eof = true; }
  void on_drained() override { ++drained; }
  void on_closed(const Error& reason) override { closed = to_string(reason.code); }

  std::unique_ptr<ports::Stream> stream;
  Bytes bytes;
  bool echo = false;
  bool eof = false;
  int drained = 0;
  std::string closed;
};

// Listens on 2181 and keeps every connection.
struct Server {
  explicit Server(SimProcess& process, bool echoes = true) {
    auto result =
        process.network().listen(process.main_lane(), {"0.0.0.0", 2181}, {},
                                 [this, &process, echoes](std::unique_ptr<ports::Stream> stream) {
                                   peers.push_back(std::make_unique<Heard>());
                                   peers.back()->echo = echoes;
                                   peers.back()->stream = std::move(stream);
                                   peers.back()->stream->attach(process.main_lane(), *peers.back());
                                 });
    listener = std::move(result).value();
  }
  std::vector<std::unique_ptr<Heard>> peers;
  std::unique_ptr<ports::Listener> listener;
};

struct Client {
  explicit Client(SimProcess& process, Duration timeout = Duration::seconds(5)) {
    ports::DialOptions options;
    options.timeout = timeout;
    dial = process.network().dial(process.main_lane(), {"10.0.0.1", 2181}, options,
                                  [this, &process](Result<std::unique_ptr<ports::Stream>> got) {
                                    if (!got.ok()) {
                                      failed = to_string(got.error().code);
                                      return;
                                    }
                                    heard.stream = std::move(got).value();
                                    heard.stream->attach(process.main_lane(), heard);
                                    heard.stream->write("hello");
                                  });
  }
  std::string failed;
  Heard heard;
  std::unique_ptr<ports::Dial> dial;
};

WorldOptions seeded(std::uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
  return options;
}

// Two machines, a server on the first, a client on the second.
struct Pair {
  explicit Pair(std::uint64_t seed, bool echoes = true)
      : world(seeded(seed)),
        a(world.add_machine({.name = "a", .address = "10.0.0.1", .disk = {}, .clock_offset = {}})),
        b(world.add_machine({.name = "b", .address = "10.0.0.2", .disk = {}, .clock_offset = {}})),
        echo(echoes) {
    start_server();
  }
  void start_server() {
    server_process = &a.start("server", [this](SimProcess& process) {
      auto made = std::make_shared<Server>(process, echo);
      server = made.get();
      return made;
    });
  }
  void start_client(Duration timeout = Duration::seconds(5)) {
    client_process = &b.start("client", [this, timeout](SimProcess& process) {
      auto made = std::make_shared<Client>(process, timeout);
      client = made.get();
      return made;
    });
  }
  World world;
  SimMachine& a;
  SimMachine& b;
  bool echo;
  SimProcess* server_process = nullptr;
  SimProcess* client_process = nullptr;
  Server* server = nullptr;
  Client* client = nullptr;
};

TEST(World, bytes_go_there_and_back) {
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    Pair pair(seed);
    pair.world.run_for(Duration::millis(50));
    pair.start_client();
    pair.world.run_for(Duration::millis(500));
    ASSERT_NE(pair.client, nullptr);
    EXPECT_EQ(pair.client->heard.bytes, "hello");
    EXPECT_EQ(pair.client->heard.drained, 1);
    pair.client->heard.stream->close();
    pair.world.run_for(Duration::millis(100));
    EXPECT_EQ(pair.client->heard.closed, "closed");
    EXPECT_TRUE(pair.server->peers[0]->eof);
    EXPECT_EQ(pair.server->peers[0]->closed, "");
    pair.server->peers[0]->stream->close();
    pair.world.run_for(Duration::millis(100));
    EXPECT_EQ(pair.server->peers[0]->closed, "closed");
  }
}

TEST(World, a_killed_process_is_heard_and_a_new_dial_refused) {
  Pair pair(3);
  pair.start_client();
  pair.world.run_for(Duration::millis(100));
  pair.server_process->kill();
  pair.world.run_for(Duration::millis(100));
  EXPECT_EQ(pair.client->heard.closed, "io");
  pair.start_client();
  pair.world.run_for(Duration::millis(100));
  EXPECT_EQ(pair.client->failed, "refused");
}

TEST(World, a_host_without_power_is_silent_until_it_is_back) {
  Pair pair(4);
  pair.start_client();
  pair.world.run_for(Duration::millis(100));
  pair.a.power_off();
  pair.world.run_for(Duration::seconds(2));
  EXPECT_EQ(pair.client->heard.closed, "");
  pair.a.power_on();
  pair.client->heard.stream->write("more");
  pair.world.run_for(Duration::seconds(2));
  EXPECT_EQ(pair.client->heard.closed, "io");
}

TEST(World, a_cut_link_holds_bytes_and_a_dial_times_out) {
  Pair pair(5);
  pair.start_client();
  pair.world.run_for(Duration::millis(100));
  pair.world.network().cut("b", "a");
  pair.client->heard.stream->write("more");
  pair.world.run_for(Duration::seconds(2));
  EXPECT_EQ(pair.server->peers[0]->bytes, "hello");
  auto* first = pair.client;
  auto* first_process = pair.client_process;
  pair.start_client(Duration::seconds(1));
  pair.world.run_for(Duration::seconds(2));
  EXPECT_EQ(pair.client->failed, "timed_out");
  pair.world.network().heal("b", "a");
  pair.world.run_for(Duration::seconds(3));
  EXPECT_TRUE(first_process->alive());
  EXPECT_EQ(first->heard.bytes, "hellomore");
}

TEST(World, a_reader_that_pauses_fills_the_writer) {
  Pair pair(6, false);
  pair.start_client();
  pair.world.run_for(Duration::millis(100));
  pair.server->peers[0]->stream->pause_reading();
  pair.client->heard.stream->write(Bytes(1 << 20, 'x'));
  pair.world.run_for(Duration::seconds(1));
  EXPECT_GT(pair.client->heard.stream->buffered(), std::size_t{512} << 10);
  EXPECT_EQ(pair.server->peers[0]->bytes, "hello");
  pair.server->peers[0]->stream->resume_reading();
  pair.world.run_for(Duration::seconds(1));
  EXPECT_EQ(pair.client->heard.stream->buffered(), 0u);
  EXPECT_EQ(pair.server->peers[0]->bytes.size(), (1u << 20) + 5);
}

TEST(World, a_closing_stream_does_not_wait_for_ever_for_its_reader) {
  Pair pair(6, false);
  pair.start_client();
  pair.world.run_for(Duration::millis(100));
  pair.server->peers[0]->stream->pause_reading();
  pair.client->heard.stream->write(Bytes(1 << 20, 'x'));
  pair.client->heard.stream->close();
  pair.world.run_for(Duration::seconds(1));
  EXPECT_EQ(pair.client->heard.closed, "");
  pair.world.run_for(Duration::seconds(4));
  EXPECT_EQ(pair.client->heard.closed, "closed");
}

TEST(World, a_broken_stream_loses_a_suffix_on_both_sides) {
  Pair pair(7);
  pair.start_client();
  pair.world.run_for(Duration::millis(100));
  EXPECT_TRUE(pair.world.network().break_any_stream());
  pair.world.run_for(Duration::millis(100));
  EXPECT_EQ(pair.client->heard.closed, "io");
  EXPECT_EQ(pair.server->peers[0]->closed, "io");
}

TEST(World, a_paused_process_misses_its_timers_until_it_goes_on) {
  World world(seeded(1));
  SimMachine& a =
      world.add_machine({.name = "a", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  int ticks = 0;
  SimProcess& process = a.start("ticker", [&](SimProcess& self) -> Program {
    self.main_lane().after(Duration::millis(10), [&ticks] { ++ticks; });
    return nullptr;
  });
  world.run_for(Duration::millis(5));
  process.pause();
  world.run_for(Duration::seconds(1));
  EXPECT_EQ(ticks, 0);
  process.resume();
  world.run_for(Duration::millis(20));
  EXPECT_EQ(ticks, 1);
}

TEST(World, a_full_lane_says_so) {
  WorldOptions options = seeded(1);
  options.lane_tasks_max = 3;
  World world(options);
  SimMachine& a =
      world.add_machine({.name = "a", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  int taken = 0;
  int ran = 0;
  a.start("poster", [&](SimProcess& self) -> Program {
    for (int i = 0; i < 10; ++i) {
      taken += self.main_lane().try_post([&ran] { ++ran; }) ? 1 : 0;
    }
    return nullptr;
  });
  world.run_for(Duration::millis(10));
  EXPECT_EQ(taken, 3);
  EXPECT_EQ(ran, 3);
}

TEST(World, a_cancelled_timer_does_not_run_even_when_due) {
  World world(seeded(1));
  SimMachine& a =
      world.add_machine({.name = "a", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  int ran = 0;
  a.start("timers", [&](SimProcess& self) -> Program {
    SimLane& lane = self.main_lane();
    const auto second = std::make_shared<ports::TimerId>();
    lane.after(Duration::millis(1), [&lane, second] { lane.cancel(*second); });
    *second = lane.after(Duration::millis(1), [&ran] { ran += 10; });
    lane.after(Duration::millis(2), [&ran] { ++ran; });
    return nullptr;
  });
  world.run_for(Duration::millis(10));
  EXPECT_TRUE(ran == 1 || ran == 11);
}

TEST(World, disk_calls_move_the_lane_and_a_crash_inside_undoes_the_rest) {
  World world(seeded(1));
  SimMachine& a =
      world.add_machine({.name = "a", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  a.start("writer", [&](SimProcess& self) -> Program {
    const Instant before = self.main_lane().now();
    EXPECT_TRUE(ports::write_file_atomically(self.disk(), "/first", "x").ok());
    EXPECT_GT(self.main_lane().now() - before, Duration::micros(60));
    SimLane& lane = self.main_lane();
    for (int i = 0; i < 50; ++i) {
      lane.spend(Duration::millis(1));
      EXPECT_TRUE(ports::write_file_atomically(self.disk(), "/f" + std::to_string(i), "y").ok());
    }
    return nullptr;
  });
  world.run_for(Duration::millis(20));
  a.power_off();
  a.power_on();
  EXPECT_TRUE(*a.disk().exists("/first"));
  EXPECT_FALSE(*a.disk().exists("/f40"));
}

TEST(World, clocks_drift_and_timers_follow_them) {
  World world(seeded(1));
  SimMachine& a = world.add_machine({.name = "a",
                                     .address = "10.0.0.1",
                                     .disk = {},
                                     .clock_offset = {},
                                     .clock_drift_ppm = 50'000});
  Instant fired;
  const Instant start = world.now();
  a.start("timer", [&](SimProcess& self) -> Program {
    self.main_lane().after(Duration::seconds(105), [&] { fired = world.now(); });
    return nullptr;
  });
  world.run_for(Duration::seconds(200));
  EXPECT_EQ((fired - start).seconds(), 100);
}

struct Parent {
  std::unique_ptr<ports::Child> child;
  std::unique_ptr<ports::ProcessWatch> watch;
  std::optional<ports::ExitStatus> status;
};

// Starts `argv` behind a barrier and watches it.
Program start_parent(SimProcess& self, const std::vector<std::string>& argv, Parent*& out) {
  auto parent = std::make_shared<Parent>();
  out = parent.get();
  ports::ProcessSpec spec;
  spec.argv = argv;
  spec.new_session = true;
  spec.barrier = true;
  auto child = self.processes().spawn(self.main_lane(), spec);
  EXPECT_TRUE(child.ok());
  parent->child = std::move(child).value();
  parent->watch = self.processes().watch(
      self.main_lane(), parent->child->id(),
      [raw = parent.get()](ports::ExitStatus status) { raw->status = status; });
  return parent;
}

TEST(World, a_script_runs_for_its_time_and_exits_with_its_code) {
  World world(seeded(1));
  SimMachine& a =
      world.add_machine({.name = "a", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  Parent* parent = nullptr;
  a.start("parent", [&](SimProcess& self) {
    return start_parent(self, {"sh", "-c", "sleep 2; exit 3"}, parent);
  });
  world.run_for(Duration::seconds(5));
  EXPECT_FALSE(parent->status.has_value());
  EXPECT_TRUE(parent->child->release().ok());
  world.run_for(Duration::seconds(1));
  EXPECT_FALSE(parent->status.has_value());
  world.run_for(Duration::seconds(2));
  ASSERT_TRUE(parent->status.has_value());
  EXPECT_EQ(parent->status->code, 3);
}

TEST(World, a_child_behind_its_barrier_ends_with_its_parent) {
  World world(seeded(1));
  SimMachine& a =
      world.add_machine({.name = "a", .address = "10.0.0.1", .disk = {}, .clock_offset = {}});
  Parent* parent = nullptr;
  SimProcess& process = a.start("parent", [&](SimProcess& self) {
    return start_parent(self, {"sleep", "100"}, parent);
  });
  world.run_for(Duration::millis(10));
  const std::int64_t pid = parent->child->id().pid;
  EXPECT_NE(a.find(pid), nullptr);
  process.kill();
  world.run_for(Duration::millis(10));
  EXPECT_EQ(a.find(pid), nullptr);
}

TEST(World, same_seed_same_digest) {
  std::uint64_t digests[3];
  for (int i = 0; i < 3; ++i) {
    Pair pair(i < 2 ? 77 : 78);
    pair.start_client();
    pair.world.run_for(Duration::millis(10));
    pair.server_process->kill();
    pair.world.run_for(Duration::millis(10));
    pair.start_server();
    pair.start_client();
    pair.world.run_for(Duration::seconds(1));
    digests[i] = pair.world.digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_NE(digests[0], digests[2]);
}

}  // namespace
}  // namespace synod::sim
