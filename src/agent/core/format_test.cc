// The agent's journal, kept: what was written once must be read for ever.
// testdata/format1/*.hex: test/script/kept.h.
#include <gtest/gtest.h>

#include "agent/core/record.h"
#include "test/script/kept.h"

namespace synod::agent::core {
namespace {

Update update_of(std::uint64_t number, TaskState state) {
  Update update;
  update.uuid = uuid_from_words(number, number + 1);
  update.state = state;
  update.source = Source::executor;
  update.reason = Reason::executor_terminated;
  update.message = "a message";
  update.at = WallTime{1'700'000'000'000};
  update.status = "status";
  update.process = 4711;
  return update;
}

// One of each kind, by their numbers.
std::vector<Record> records() {
  const ContainerId container = uuid_from_words(3, 4);
  const TaskKey key{"F0", "t1"};
  const Framework framework{"F0", "framework info", true};
  const ExecutorSpec executor{
      {"F0", "e1"}, ExecutorKind::custom, "executor info", Duration::seconds(7)};
  const TaskSpec task{key, "task info", Duration::seconds(8)};
  return {AgentNamed{"m-S0"},
          MasterSeen{{uuid_from_words(1, 2), MasterEpoch(5)}},
          LaunchIntended{container, framework, executor, {task}},
          Forked{container, {4711, 77, "boot"}},
          TaskAdded{container, task},
          UpdateTaken{key, "e1", update_of(5, TaskState::running)},
          UpdateAcknowledged{key, uuid_from_words(5, 6)},
          KillAsked{key, Duration::seconds(9)},
          ContainerEnded{container, {std::nullopt, 9}},
          FrameworkChanged{framework},
          FrameworkEnded{"F0"},
          TaskKept{task,
                   "e1",
                   TaskState::finished,
                   4711,
                   {uuid_from_words(5, 6)},
                   {update_of(7, TaskState::finished)}}};
}

TEST(JournalFormat, EachKindOfRecord) {
  const std::string path = std::string(SYNOD_SOURCE_DIR) + "/testdata/format1/records.hex";
  ByteWriter written;
  for (const Record& record : records()) {
    written.sized(encode(record));
  }
  script::expect_kept(path, written.take());

  const Bytes kept = script::read_kept(path);
  ByteReader in(kept);
  std::size_t kinds = 0;
  while (in.ok() && !in.at_end()) {
    const ByteView bytes = in.sized();
    const Result<Record> record = decode_record(bytes);
    ASSERT_TRUE(record.ok()) << record.error().message;
    EXPECT_EQ(record->index(), kinds++);
    EXPECT_EQ(to_hex(encode(*record)), to_hex(bytes));
  }
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(kinds, std::variant_size_v<Record>);
}

}  // namespace
}  // namespace synod::agent::core
