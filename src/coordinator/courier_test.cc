#include "coordinator/courier.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "coordinator/journal_records.h"
#include "coordinator/pace.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace synod::coordinator {
namespace {

constexpr paxos::Ballot earlier{3, NodeId(1)};
constexpr paxos::Ballot later{4, NodeId(2)};
constexpr std::uint64_t part_size = 256 << 10;
constexpr std::uint64_t file_size = 4 * part_size;

// A courier whose journal and links are the test's.
struct Post {
  explicit Post(sim::SimProcess& process)
      : courier(process.main_lane(),
                CourierOwner{[this](JournalCommand command) { journal.push_back(command); },
                             [this](NodeId, const peer::PeerMessage& message) {
                               sent.push_back(message);
                               return true;
                             },
                             [](NodeId) { return std::size_t{0}; },
                             [this](const paxos::Event& event) { core.push_back(event); }, [] {},
                             [this](std::size_t size_bytes) {
                               return pace.time_of(lane.now(), size_bytes);
                             }}),
        lane(process.main_lane()) {}

  template <typename T>
  std::vector<T> sent_of() const {
    std::vector<T> out;
    for (const peer::PeerMessage& message : sent) {
      if (const T* found = std::get_if<T>(&message)) {
        out.push_back(*found);
      }
    }
    return out;
  }
  template <typename T>
  std::vector<T> asked() const {
    std::vector<T> out;
    for (const JournalCommand& command : journal) {
      if (const T* found = std::get_if<T>(&command)) {
        out.push_back(*found);
      }
    }
    return out;
  }

  std::vector<JournalCommand> journal;
  std::vector<peer::PeerMessage> sent;
  std::vector<paxos::Event> core;
  Pace pace;
  Courier courier;
  ports::Lane& lane;
};

class CourierTest : public ::testing::Test {
 protected:
  CourierTest() {
    sim::MachineOptions options;
    options.name = "m";
    options.address = "10.0.0.1";
    sim::SimProcess& process = world_.add_machine(options).start(
        "courier",
        [](sim::SimProcess& started) { return sim::Program(std::make_shared<Post>(started)); });
    world_.run_for(Duration::millis(10));
    post_ = process.program<Post>();
  }

  static storage::SnapshotId id() { return {ClusterId(5), Slot(50), 51, 52, "meta"}; }
  void begin(NodeId from, paxos::Ballot ballot, const storage::SnapshotId& file) {
    post_->courier.on(from, peer::SnapshotBegin{ballot, file, file_size}, paxos::Ballot{});
  }
  void part(NodeId from, paxos::Ballot ballot, std::uint64_t offset) {
    post_->courier.on(from, peer::SnapshotPart{ballot, offset, Bytes(part_size, 'x')});
  }
  void read(std::uint64_t bytes) { answer_read(bytes, file_size); }
  void read_on() { answer_read(part_size, std::uint64_t{1} << 40); }
  void answer_read(std::uint64_t bytes, std::uint64_t size) {
    SnapshotFileRead answer;
    answer.ticket = post_->asked<ReadSnapshotFile>().back().ticket;
    answer.ref.id = id();
    answer.ref.file_size_bytes = size;
    answer.bytes = Bytes(bytes, 'x');
    post_->courier.on(answer);
  }

  sim::World world_{sim::WorldOptions{.seed = 5}};
  Post* post_ = nullptr;
};

TEST_F(CourierTest, what_came_before_the_connection_broke_does_not_come_again) {
  begin(NodeId(1), earlier, id());
  part(NodeId(1), earlier, 0);
  part(NodeId(1), earlier, part_size);
  // Another leader, of whom the same file comes.
  begin(NodeId(2), later, id());
  EXPECT_EQ(post_->asked<BeginReceive>().size(), 1U);
  const auto from = post_->sent_of<peer::SnapshotFrom>();
  ASSERT_EQ(from.size(), 1U);
  EXPECT_EQ(from[0].offset, 2 * part_size);
  // What it had sent before it heard that is passed over.
  part(NodeId(2), later, 0);
  part(NodeId(2), later, 2 * part_size);
  part(NodeId(2), later, 3 * part_size);
  EXPECT_EQ(post_->asked<ReceivePart>().size(), 4U);
  post_->courier.on(NodeId(2), peer::SnapshotEnd{later});
  ASSERT_EQ(post_->asked<FinishReceive>().size(), 1U);
  EXPECT_EQ(post_->asked<FinishReceive>()[0].expected, id());
}

// A follower that was silent for long may say many times at once where it stands. Each read holds
// up the writes behind it.
TEST_F(CourierTest, however_often_a_peer_is_to_be_taught_it_is_read_for_once_at_a_time) {
  paxos::SendLog lesson;
  lesson.to = NodeId(2);
  lesson.ballot = later;
  lesson.stage = true;
  lesson.keep = Slot(6);
  lesson.first = Slot(7);
  lesson.last = Slot(8);
  for (int i = 0; i < 200; ++i) {
    post_->courier.stop(NodeId(2));
    post_->courier.send(lesson);
  }
  ASSERT_EQ(post_->asked<ReadLog>().size(), 1U);
  const auto answer = [this](std::uint64_t ticket) {
    LogRead read;
    read.ticket = ticket;
    const Bytes entry = encode_entry(paxos::make_entry(paxos::EntryKind::batch, "v"));
    for (const Slot slot : {Slot(7), Slot(8)}) {
      read.slots.push_back({slot, to_storage(later), 0, entry});
    }
    return post_->courier.on(read);
  };
  EXPECT_TRUE(answer(post_->asked<ReadLog>()[0].ticket));
  EXPECT_TRUE(post_->sent.empty());
  ASSERT_EQ(post_->asked<ReadLog>().size(), 2U);
  EXPECT_TRUE(answer(post_->asked<ReadLog>()[1].ticket));
  EXPECT_EQ(post_->sent.size(), 1U);
  EXPECT_EQ(post_->asked<ReadLog>().size(), 2U);
  EXPECT_FALSE(answer(post_->asked<ReadLog>()[1].ticket));
}

// The sender has nothing to notice: its own connection to us may stand all the while.
TEST_F(CourierTest, an_answer_that_may_be_lost_with_our_connection_is_said_again) {
  begin(NodeId(1), earlier, id());
  post_->courier.on_link_up(NodeId(1));
  EXPECT_TRUE(post_->sent_of<peer::SnapshotTaken>().empty());
  SnapshotReceived whole;
  whole.ticket = post_->asked<BeginReceive>().back().ticket;
  whole.ref = storage::SnapshotRef{};
  whole.ref->id = id();
  whole.ref->id.meta = paxos::encode(paxos::Membership());
  post_->courier.on(whole);
  ASSERT_EQ(post_->sent_of<peer::SnapshotTaken>().size(), 1U);
  post_->courier.on_link_up(NodeId(2));
  EXPECT_EQ(post_->sent_of<peer::SnapshotTaken>().size(), 1U);
  post_->courier.on_link_up(NodeId(1));
  const auto taken = post_->sent_of<peer::SnapshotTaken>();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_TRUE(taken[1].ok);
  EXPECT_EQ(taken[1].slot, id().slot);
  EXPECT_EQ(taken[1].ballot, earlier);
}

TEST_F(CourierTest, another_file_is_taken_from_its_beginning) {
  begin(NodeId(1), earlier, id());
  part(NodeId(1), earlier, 0);
  storage::SnapshotId other = id();
  other.slot = Slot(60);
  begin(NodeId(2), later, other);
  EXPECT_EQ(post_->asked<BeginReceive>().size(), 2U);
  EXPECT_TRUE(post_->sent_of<peer::SnapshotFrom>().empty());
}

TEST_F(CourierTest, one_that_was_of_no_use_is_taken_from_its_beginning) {
  begin(NodeId(1), earlier, id());
  part(NodeId(1), earlier, 0);
  post_->courier.on(NodeId(1), peer::SnapshotEnd{earlier});
  begin(NodeId(1), earlier, id());
  EXPECT_EQ(post_->asked<BeginReceive>().size(), 2U);
}

TEST_F(CourierTest, a_part_behind_a_gap_is_not_taken) {
  begin(NodeId(1), earlier, id());
  part(NodeId(1), earlier, 0);
  part(NodeId(1), earlier, 2 * part_size);
  EXPECT_EQ(post_->asked<ReceivePart>().size(), 1U);
}

TEST_F(CourierTest, the_sender_goes_on_where_it_is_told_to) {
  post_->courier.send(paxos::SendSnapshot{NodeId(3), later});
  read(part_size);
  ASSERT_EQ(post_->asked<ReadSnapshotFile>().back().offset, part_size);
  const std::uint64_t stale = post_->asked<ReadSnapshotFile>().back().ticket;
  post_->courier.on(NodeId(3), peer::SnapshotFrom{earlier, Slot(50), 3 * part_size});
  EXPECT_EQ(post_->asked<ReadSnapshotFile>().back().offset, part_size) << "of another ballot";
  post_->courier.on(NodeId(3), peer::SnapshotFrom{later, Slot(50), 3 * part_size});
  // What is read for the former place is waited for, and is not sent.
  SnapshotFileRead late;
  late.ticket = stale;
  EXPECT_TRUE(post_->courier.on(late));
  ASSERT_EQ(post_->asked<ReadSnapshotFile>().back().offset, 3 * part_size);
  read(part_size);
  const auto parts = post_->sent_of<peer::SnapshotPart>();
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].offset, 0U);
  EXPECT_EQ(parts[1].offset, 3 * part_size);
  read(0);
  EXPECT_EQ(post_->sent_of<peer::SnapshotEnd>().size(), 1U);
}

TEST_F(CourierTest, beside_writes_a_piece_waits_for_its_time) {
  constexpr std::size_t many = 400;
  const auto pieces_in_half_a_second = [&](std::size_t written_bytes) {
    std::size_t pieces = 0;
    std::uint64_t answered = 0;
    for (int ms = 0; ms < 500; ++ms) {
      if (written_bytes > 0) {
        post_->pace.wrote(post_->lane.now(), written_bytes);
      }
      while (pieces < many && post_->asked<ReadSnapshotFile>().back().ticket != answered) {
        answered = post_->asked<ReadSnapshotFile>().back().ticket;
        read_on();
        ++pieces;
      }
      post_->journal.erase(post_->journal.begin(), post_->journal.end() - 1);
      post_->sent.clear();
      world_.run_for(Duration::millis(1));
    }
    return pieces;
  };
  post_->courier.send(paxos::SendSnapshot{NodeId(3), later});
  EXPECT_EQ(pieces_in_half_a_second(0), many) << "nobody writes: nothing waits";
  const std::size_t beside_few = pieces_in_half_a_second(100);
  EXPECT_GE(beside_few, 35U);
  EXPECT_LE(beside_few, 48U) << "20 MiB a second";
  pieces_in_half_a_second(20 << 10);
  const std::size_t beside_much = pieces_in_half_a_second(20 << 10);
  EXPECT_GE(beside_much, 120U) << "20 MB/s are written: it must come to an end";
  EXPECT_LE(beside_much, 200U);
  world_.run_for(Duration::seconds(1));
  EXPECT_EQ(pieces_in_half_a_second(0), many) << "nobody writes any more";
}

}  // namespace
}  // namespace synod::coordinator
