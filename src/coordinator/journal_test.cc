// The journal on simulated machines: what it reports as durable survives, snapshots come back, and
// what stops it is said.
#include "coordinator/journal.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "coordinator/snapshot_walker.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace synod::coordinator {
namespace {

const storage::Ballot first_ballot{1, NodeId(1)};

JournalOptions small_options() {
  JournalOptions options;
  options.log_directory = "data/log";
  options.snapshot_directory = "data/snapshots";
  options.log.first_segment_size_bytes = 32 << 10;
  options.log.segment_size_bytes = 64 << 10;
  options.log.fill_step_size_bytes = 16 << 10;
  options.snapshot.chunk_size_bytes = 4 << 10;
  return options;
}

// The engine's side: sends commands, keeps the reports.
struct Peer {
  Peer(sim::SimProcess& process, const JournalOptions& options)
      : lane(process.main_lane()), journal_lane(process.add_lane("journal")) {
    ports::Sender<JournalReport> reports_to(
        lane, [this](JournalReport report) { heard(std::move(report)); });
    EXPECT_TRUE(journal_lane.try_post([this, &process, options, reports_to] {
      journal = std::make_unique<Journal>(journal_lane, process.disk(), options, reports_to);
      commands = journal->commands();
    }));
  }

  void heard(JournalReport report) {
    if (const auto* flushed = std::get_if<Flushed>(&report)) {
      durable = flushed->lsn;
    }
    if (auto* content = std::get_if<SnapshotContent>(&report)) {
      loaded += content->bytes;
    }
    if (on_report) {
      on_report(report);
    }
    reports.push_back(std::move(report));
  }

  template <typename T>
  const T* last() const {
    for (auto it = reports.rbegin(); it != reports.rend(); ++it) {
      if (const T* found = std::get_if<T>(&*it)) {
        return found;
      }
    }
    return nullptr;
  }
  template <typename T>
  std::size_t count() const {
    std::size_t n = 0;
    for (const JournalReport& report : reports) {
      n += std::holds_alternative<T>(report) ? 1 : 0;
    }
    return n;
  }

  // Lost if the process has just ended.
  void send(JournalCommand command) { static_cast<void>(commands.try_send(std::move(command))); }
  void write(std::vector<storage::Record> records) {
    lsn = lsn.next();
    send(WriteRecords{lsn, {1, NodeId(1)}, std::move(records)});
  }

  sim::SimLane& lane;
  sim::SimLane& journal_lane;
  std::unique_ptr<Journal> journal;
  ports::Sender<JournalCommand> commands;
  std::vector<JournalReport> reports;
  std::function<void(const JournalReport&)> on_report;
  paxos::Lsn lsn;
  paxos::Lsn durable;
  Bytes loaded;
};

storage::Record value_of(std::uint64_t slot, std::size_t size = 500) {
  return storage::Value{first_ballot, Slot(slot), slot * 7,
                        Bytes(size, static_cast<char>('a' + slot % 26))};
}

struct JournalTest : testing::Test {
  explicit JournalTest(std::uint64_t seed = 1) : world(with_seed(seed)) {
    sim::MachineOptions machine_options;
    machine_options.name = "a";
    machine_options.address = "10.0.0.1";
    machine = &world.add_machine(machine_options);
  }
  static sim::WorldOptions with_seed(std::uint64_t seed) {
    sim::WorldOptions options;
    options.seed = seed;
    return options;
  }

  // Starts a process with a journal and waits for its first report.
  void start() {
    process = &machine->start("node", [this](sim::SimProcess& self) -> sim::Program {
      return std::make_shared<Peer>(self, options);
    });
    ASSERT_TRUE(until([this] { return peer() != nullptr && !peer()->reports.empty(); }));
  }
  Peer* peer() const { return process->alive() ? process->program<Peer>() : nullptr; }
  bool until(const std::function<bool()>& condition) {
    return world.run_until(world.now() + Duration::seconds(20), condition);
  }
  // Runs on the engine's Lane.
  void on_engine(std::function<void(Peer&)> task) {
    Peer* p = peer();
    ASSERT_TRUE(p->lane.try_post([p, task] { task(*p); }));
  }
  void restart() {
    machine->power_off();
    machine->power_on();
    start();
  }
  const Opened& opened() { return *peer()->last<Opened>(); }

  sim::World world;
  JournalOptions options = small_options();
  sim::SimMachine* machine = nullptr;
  sim::SimProcess* process = nullptr;
};

// Appends slots at random moments until the power goes inside some operation of the disk; returns
// the highest slot that was reported durable.
std::uint64_t write_until_power_goes(JournalTest& test, std::uint64_t next,
                                     std::uint64_t operation) {
  std::uint64_t acknowledged = 0;
  std::map<paxos::Lsn, std::uint64_t> slot_of;
  test.peer()->on_report = [&](const JournalReport& report) {
    if (const auto* flushed = std::get_if<Flushed>(&report)) {
      acknowledged = slot_of.at(flushed->lsn);
    }
  };
  test.machine->power_off_at_operation(operation);
  while (test.process->alive()) {
    test.on_engine([&](Peer& peer) {
      peer.write({value_of(next), storage::Chosen{Slot(next)}});
      slot_of[peer.lsn] = next++;
    });
    test.world.run_for(Duration::micros(static_cast<std::int64_t>(test.world.prng().below(400))));
  }
  return acknowledged;
}

// True if what was acknowledged was there after the power cut.
bool keeps_its_word(std::uint64_t seed, PlantedBug planted) {
  struct Run final : JournalTest {
    explicit Run(std::uint64_t s) : JournalTest(s) {}
    void TestBody() override {}
  } test(seed);
  test.options.planted = planted;
  test.start();
  std::uint64_t next = 1;
  for (int life = 0; life < 3; ++life) {
    const std::uint64_t acknowledged =
        write_until_power_goes(test, next, 1 + test.world.prng().below(40));
    test.machine->power_on();
    test.start();
    const Opened* opened = test.peer()->last<Opened>();
    if (opened == nullptr || opened->state.last.value() < acknowledged) {
      return false;
    }
    for (std::size_t i = 0; i < opened->tail.size(); ++i) {
      EXPECT_EQ(storage::Record(storage::Value{first_ballot, opened->tail[i].slot,
                                               opened->tail[i].chain, opened->tail[i].bytes}),
                value_of(i + 1));
    }
    next = opened->state.last.value() + 1;
  }
  return true;
}

TEST(JournalPowerCut, WhatWasReportedDurableIsThere) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    ASSERT_TRUE(keeps_its_word(seed, PlantedBug::none)) << "seed " << seed;
  }
}

TEST(JournalPowerCut, AnAnswerBeforeTheFlushIsFound) {
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    found += keeps_its_word(seed, PlantedBug::answer_before_flush) ? 0 : 1;
  }
  EXPECT_GT(found, 10U);
}

TEST_F(JournalTest, WhatGathersDuringAFlushGoesWithTheNext) {
  start();
  on_engine([](Peer& p) {
    for (std::uint64_t slot = 1; slot <= 100; ++slot) {
      p.write({value_of(slot)});
    }
  });
  ASSERT_TRUE(until([this] { return peer()->durable == paxos::Lsn(100); }));
  EXPECT_LT(peer()->count<Flushed>(), 20U);
  EXPECT_EQ(peer()->last<Flushed>()->ballot, (paxos::Ballot{1, NodeId(1)}));
}

TEST_F(JournalTest, ReadsTheLogBehindWhatWasWritten) {
  start();
  on_engine([](Peer& p) {
    for (std::uint64_t slot = 1; slot <= 9; ++slot) {
      p.write({value_of(slot)});
    }
    p.send(ReadLog{5, Slot(4), Slot(7)});
    p.send(ReadLog{6, Slot(10), Slot(12)});
  });
  ASSERT_TRUE(until([this] { return peer()->count<LogRead>() == 2; }));
  EXPECT_EQ(peer()->last<LogRead>()->error->code, ErrorCode::not_found);
  for (const JournalReport& report : peer()->reports) {
    const auto* read = std::get_if<LogRead>(&report);
    if (read != nullptr && read->ticket == 5) {
      ASSERT_EQ(read->slots.size(), 4U);
      EXPECT_EQ(read->before_chain, 21U);
      EXPECT_EQ(read->slots[3].chain, 49U);
    }
  }
}

// A state with sessions, changed while it is walked.
struct Walk {
  explicit Walk(ports::Sender<JournalCommand> journal)
      : walker(std::move(journal), SnapshotWalkerOptions{1, 2000, 3}) {
    create(1, 1500);
  }
  void create(std::int64_t first, std::int64_t count) {
    for (std::int64_t id = first; id < first + count; ++id) {
      znode::Command command;
      command.session = SessionId(id);
      command.request = znode::CreateSession{1, 4000, Bytes(16, 'p'), 1};
      state.apply(znode::BatchHeader{}, command);
    }
  }
  znode::State state;
  SnapshotWalker walker;
};

TEST_F(JournalTest, SnapshotsAreWrittenReadBackAndShortenTheLog) {
  start();
  for (std::uint64_t slot = 1; slot <= 300; ++slot) {
    on_engine([slot](Peer& p) { p.write({value_of(slot), storage::Chosen{Slot(slot)}}); });
    world.run_for(Duration::millis(1));
  }
  std::unique_ptr<Walk> walk;
  Bytes expected;
  const auto take = [&](std::uint64_t slot) {
    walk.reset();
    on_engine([&, slot](Peer& p) {
      walk = std::make_unique<Walk>(p.commands);
      expected = walk->state.snapshot();
      p.on_report = [&](const JournalReport& report) {
        if (std::holds_alternative<SliceTaken>(report)) {
          walk->walker.taken();
        }
        if (std::holds_alternative<SnapshotWritten>(report)) {
          walk->walker.written();
        }
        walk->walker.step();
      };
      EXPECT_TRUE(walk->walker.due(Slot(slot), Zxid(), 0));
      walk->walker.begin(walk->state, {ClusterId(1), Slot(slot), slot * 7, 0, "meta"});
      walk->walker.step();
      walk->create(2000, 50);
    });
    ASSERT_TRUE(until([&] { return walk != nullptr && !walk->walker.active(); }));
    ASSERT_TRUE(peer()->last<SnapshotWritten>()->ref.has_value());
  };
  take(100);
  take(200);
  take(290);
  EXPECT_GT(peer()->count<SliceTaken>(), 20U);
  on_engine([](Peer& p) { p.send(ShortenLog{Slot(290), 10}); });
  ASSERT_TRUE(until([this] { return peer()->last<LogShortened>() != nullptr; }));
  const Slot first = peer()->last<LogShortened>()->log_first;
  EXPECT_GT(first, Slot(50));
  EXPECT_LE(first, Slot(191)) << "behind the older of the two that stay";

  restart();
  EXPECT_EQ(opened().log_first, first);
  ASSERT_TRUE(opened().snapshot.has_value());
  EXPECT_EQ(opened().snapshot->id.slot, Slot(290));
  EXPECT_EQ(opened().snapshot->id.meta, "meta");
  EXPECT_EQ(opened().tail.size(), 10U);
  EXPECT_EQ(opened().tail_before_chain, 290U * 7);
  on_engine([](Peer& p) { p.send(LoadSnapshot{Slot(290)}); });
  ASSERT_TRUE(until([this] {
    const auto* content = peer()->last<SnapshotContent>();
    return content != nullptr && content->bytes.empty();
  }));
  EXPECT_TRUE(peer()->loaded == expected);

  // A snapshot that has decayed is found when it is read; nothing was written since the start, so
  // the journal opens again with the one before.
  ASSERT_TRUE(machine->disk().flip_bit("data/snapshots/snapshot-0000000000000122", 500, 1));
  on_engine([](Peer& p) { p.send(LoadSnapshot{Slot(290)}); });
  ASSERT_TRUE(until([this] { return peer()->count<Opened>() == 2; }));
  EXPECT_EQ(opened().snapshot->id.slot, Slot(200));
  EXPECT_EQ(opened().tail.size(), 100U);
}

// What a donor wrote as its snapshot of the slot: the bytes of the file.
Bytes donated_file(std::uint64_t slot) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 9);
  auto store = storage::SnapshotStore::open(disk, "s", {});
  auto writer = (*store)->begin({ClusterId(1), Slot(slot), slot * 7, 0, ""});
  EXPECT_TRUE((*writer)->append(Bytes(50'000, 'q')).ok());
  EXPECT_TRUE((*writer)->finish().ok());
  return (*store)->read_file_at(Slot(slot), 0, 1 << 20).value();
}

void receive(JournalTest& test, std::uint64_t slot) {
  const Bytes file = donated_file(slot);
  test.on_engine([file, slot](Peer& p) {
    p.send(BeginReceive{8});
    for (std::size_t i = 0; i < file.size(); i += 1000) {
      p.send(ReceivePart{file.substr(i, 1000)});
    }
    p.send(FinishReceive{{ClusterId(1), Slot(slot), slot * 7, 0, ""}});
  });
  ASSERT_TRUE(test.until([&] { return test.peer()->last<SnapshotReceived>() != nullptr; }));
  ASSERT_TRUE(test.peer()->last<SnapshotReceived>()->ref.has_value());
}

TEST_F(JournalTest, ASnapshotFromAPeerCountsWithItsAdoptRecordOnly) {
  for (const bool adopted : {false, true}) {
    start();
    const std::uint64_t last = opened().state.last.value();
    on_engine([last](Peer& p) { p.write({value_of(last + 1), value_of(last + 2)}); });
    receive(*this, 500);
    if (adopted) {
      on_engine([](Peer& p) {
        storage::Adopt adopt{{2, NodeId(2)}, Slot(500), Slot(501), 9};
        adopt.snapshot = true;
        adopt.keep_chain = 3500;
        p.write({storage::Stage{{2, NodeId(2)}, Slot(501), 9, "staged"}, adopt});
      });
      const paxos::Lsn all = paxos::Lsn(2);
      ASSERT_TRUE(until([&] { return peer()->durable == all; }));
    }
    restart();
    if (!adopted) {
      EXPECT_EQ(opened().state.last, Slot(2));
      EXPECT_FALSE(opened().snapshot.has_value());
      EXPECT_FALSE(
          machine->disk().exists("data/snapshots/snapshot-00000000000001f4").value_or(true));
    } else {
      EXPECT_EQ(opened().state.last, Slot(501));
      EXPECT_EQ(opened().snapshot->id.slot, Slot(500));
      ASSERT_EQ(opened().tail.size(), 1U);
      EXPECT_EQ(opened().tail[0].bytes, "staged");
      EXPECT_EQ(opened().tail_before_chain, 3500U);
    }
    machine->power_off();
    machine->power_on();
  }
}

TEST_F(JournalTest, AFullDiskIsWaitedOut) {
  start();
  machine->disk().set_capacity(40 << 10);
  on_engine([](Peer& p) {
    for (std::uint64_t slot = 1; slot <= 40; ++slot) {
      p.write({value_of(slot, 4000)});
    }
  });
  ASSERT_TRUE(until([this] { return peer()->last<JournalFull>() != nullptr; }));
  world.run_for(Duration::seconds(1));
  EXPECT_TRUE(peer()->last<JournalFull>()->full);
  EXPECT_EQ(peer()->durable, paxos::Lsn(0));
  machine->disk().set_capacity(1 << 30);
  ASSERT_TRUE(until([this] { return peer()->durable == paxos::Lsn(40); }));
  EXPECT_FALSE(peer()->last<JournalFull>()->full);
  restart();
  EXPECT_EQ(opened().state.last, Slot(40));
}

TEST_F(JournalTest, TheBallastGivesRoomForWhatMakesRoom) {
  options.ballast_size_bytes = 256 << 10;
  start();
  EXPECT_TRUE(*machine->disk().exists("data/log/ballast"));
  on_engine([](Peer& p) { p.write({value_of(1)}); });
  ASSERT_TRUE(until([this] { return peer()->durable == paxos::Lsn(1); }));
  const auto space = machine->disk().space("data");
  machine->disk().set_capacity(space->total_bytes - space->available_bytes + 3000);
  // Said at once; but what follows still fits where the ballast was.
  on_engine([](Peer& p) { p.write({value_of(2, 60'000)}); });
  ASSERT_TRUE(until([this] { return peer()->durable == paxos::Lsn(2); }));
  EXPECT_TRUE(peer()->last<JournalFull>() != nullptr && peer()->last<JournalFull>()->full);
  EXPECT_FALSE(*machine->disk().exists("data/log/ballast"));
  world.run_for(Duration::seconds(1));
  EXPECT_TRUE(peer()->last<JournalFull>()->full) << "there is no room yet";
  machine->disk().set_capacity(1 << 30);
  ASSERT_TRUE(until([this] { return !peer()->last<JournalFull>()->full; }));
  EXPECT_TRUE(*machine->disk().exists("data/log/ballast"));
}

TEST_F(JournalTest, RotIsFoundBeforeItIsNeeded) {
  options.scrub_interval = Duration::millis(50);
  start();
  for (std::uint64_t slot = 1; slot <= 30; ++slot) {
    on_engine([slot](Peer& p) { p.write({value_of(slot, 3000)}); });
    world.run_for(Duration::millis(5));
  }
  world.run_for(Duration::seconds(2));
  EXPECT_EQ(peer()->count<RotFound>(), 0U);
  ASSERT_TRUE(machine->disk().flip_bit("data/log/segment-0000000000000001", 8192 + 300, 3));
  ASSERT_TRUE(until([this] { return peer()->count<RotFound>() == 1; }));
  EXPECT_NE(peer()->last<RotFound>()->what.find("segment-0000000000000001 at 8192"),
            std::string::npos)
      << peer()->last<RotFound>()->what;
  // It goes on, and says it once.
  on_engine([](Peer& p) { p.write({value_of(31)}); });
  ASSERT_TRUE(until([this] { return peer()->durable == paxos::Lsn(31); }));
  world.run_for(Duration::seconds(2));
  EXPECT_EQ(peer()->count<RotFound>(), 1U);
}

TEST_F(JournalTest, AFailedFlushEndsIt) {
  start();
  machine->disk().faults().flush_fails_once_in = 1;
  on_engine([](Peer& p) { p.write({value_of(1)}); });
  ASSERT_TRUE(until([this] { return peer()->last<JournalFailed>() != nullptr; }));
  machine->disk().faults().flush_fails_once_in = 0;
  const std::size_t said = peer()->reports.size();
  on_engine([](Peer& p) {
    p.write({value_of(2)});
    p.send(ReadLog{1, Slot(1), Slot(1)});
  });
  world.run_for(Duration::seconds(2));
  EXPECT_EQ(peer()->reports.size(), said);
  EXPECT_EQ(peer()->count<Flushed>(), 0U);
}

TEST_F(JournalTest, ADamagedLogSaysWhatIsMissing) {
  start();
  for (std::uint64_t slot = 1; slot <= 5; ++slot) {
    on_engine([slot](Peer& p) { p.write({value_of(slot)}); });
    world.run_for(Duration::millis(20));
  }
  world.run_for(Duration::seconds(1));
  machine->power_off();
  ASSERT_TRUE(machine->disk().flip_bit("data/log/segment-0000000000000001", 4096 + 200, 3));
  machine->power_on();
  start();
  const auto* needs = peer()->last<RepairNeeds>();
  ASSERT_NE(needs, nullptr);
  // The chains of this test are no chains: already the first slot does not follow.
  EXPECT_EQ(needs->first, Slot(1));
  EXPECT_NE(needs->reason.find("segment-0000000000000001 at 4096: group"), std::string::npos)
      << needs->reason;
  // What it is told to write waits; that the peer has nothing changes nothing.
  on_engine([](Peer& p) { p.send(RepairSlots{}); });
  ASSERT_TRUE(until([this] { return peer()->count<RepairNeeds>() == 2; }));
  EXPECT_FALSE(peer()->last<RepairNeeds>()->helped);
  EXPECT_EQ(peer()->last<JournalFailed>(), nullptr);
}

TEST_F(JournalTest, ASecondProcessIsRefused) {
  start();
  sim::SimProcess* first = process;
  start();
  ASSERT_NE(peer()->last<JournalFailed>(), nullptr);
  EXPECT_EQ(peer()->last<JournalFailed>()->error.code, ErrorCode::busy);
  EXPECT_TRUE(first->alive());
}

}  // namespace
}  // namespace synod::coordinator
