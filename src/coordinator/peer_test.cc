// Frames between coordinators, to the byte; and links under the simulated network.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/prng.h"
#include "coordinator/peer/links.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/world.h"
#include "test/script/kept.h"

namespace synod::coordinator::peer {
namespace {

const paxos::Ballot second_ballot{2, NodeId(3)};

paxos::Entry entry(const std::string& text) {
  return paxos::make_entry(paxos::EntryKind::batch, text);
}

// One of each type, every field different from its default.
std::vector<Frame> examples() {
  const paxos::Position position{second_ballot, Slot(7), paxos::Chain(8)};
  const paxos::Member member{NodeId(1), Incarnation(11), 2, 3, true};
  const std::vector<paxos::Message> consensus{
      paxos::Who{ClusterId(5), Incarnation(6), RulesVersion(1), {member}, 9},
      paxos::PreVote{4},
      paxos::PreVoteReply{4, true, second_ballot, Incarnation(6)},
      paxos::Prepare{second_ballot},
      paxos::Promise{second_ballot, position, Slot(5), Incarnation(6), RulesVersion(1), true,
                     second_ballot, Slot(1), Slot(2)},
      paxos::Reject{second_ballot, second_ballot},
      paxos::Fetch{second_ballot, position, Slot(5)},
      paxos::Stage{
          second_ballot, Slot(1), Slot(2), paxos::Chain(3), Slot(4), {entry("a"), entry("")}},
      paxos::Adopt{second_ballot, Slot(1), Slot(2), paxos::Chain(3)},
      paxos::Accept{second_ballot, Slot(2), paxos::Chain(3), Slot(1), {entry("value")}},
      paxos::Accepted{second_ballot, Slot(2), Incarnation(6), Slot(1), 77},
      paxos::Rewind{second_ballot, Slot(2)},
      paxos::Chosen{second_ballot, Slot(2)},
      paxos::Heartbeat{second_ballot, Slot(2), 8, 9},
      paxos::HeartbeatReply{second_ballot, 8, true, Slot(2), Incarnation(6)},
      paxos::StepDown{second_ballot, NodeId(2)},
      paxos::LeaseGranted{second_ballot, 8, 9, Incarnation(6)}};
  std::vector<Frame> frames;
  for (const paxos::Message& message : consensus) {
    frames.push_back(PeerMessage(message));
  }
  const storage::SnapshotId id{ClusterId(5), Slot(50), 51, 52, "meta"};
  frames.push_back(Hello{1, NodeId(1), NodeId(2), ClusterId(5), Incarnation(6), RulesVersion(1),
                         "another ensemble"});
  frames.push_back(Ping{});
  frames.push_back(Pong{});
  frames.push_back(PeerMessage(Forward{{"one", "", "three"}}));
  frames.push_back(PeerMessage(ForwardDropped{}));
  frames.push_back(PeerMessage(SyncAsk{12}));
  frames.push_back(PeerMessage(SyncAnswer{12, true, Slot(13)}));
  frames.push_back(PeerMessage(Touched{{SessionId(14), SessionId(-15)}}));
  frames.push_back(PeerMessage(SnapshotBegin{second_ballot, id, 1000}));
  frames.push_back(PeerMessage(SnapshotPart{second_ballot, 500, "bytes"}));
  frames.push_back(PeerMessage(SnapshotEnd{second_ballot}));
  frames.push_back(PeerMessage(SnapshotTaken{second_ballot, Slot(50), true}));
  frames.push_back(PeerMessage(RepairAsk{Slot(3), Slot(4), true}));
  frames.push_back(PeerMessage(
      RepairGive{Slot(3), paxos::Chain(2), Slot(9), Slot(1), Slot(8), {entry("a"), entry("b")}}));
  frames.push_back(PeerMessage(DigestsSaid{1, {{Slot(16), 17}, {Slot(32), 33}}}));
  frames.push_back(PeerMessage(SnapshotFrom{second_ballot, Slot(50), 4096}));
  frames.push_back(PeerMessage(Introduction{"host:2888:3888;2181"}));
  frames.push_back(PeerMessage(ChangeAsk{"a command"}));
  frames.push_back(PeerMessage(Reach{{NodeId(2), NodeId(3)}}));
  frames.push_back(PeerMessage(RelayOpen{NodeId(1), NodeId(2), 21}));
  frames.push_back(PeerMessage(Relayed{NodeId(1), NodeId(2), 22, "payload"}));
  frames.push_back(PeerMessage(RelayBroken{NodeId(1), NodeId(2), 23}));
  return frames;
}

TEST(PeerFrames, every_type_comes_back_as_it_was) {
  EXPECT_EQ(examples().size(), std::variant_size_v<paxos::Message> + 22);
  for (const Frame& frame : examples()) {
    const Bytes bytes = encode_frame(frame);
    FrameReader reader;
    reader.feed(bytes);
    const Result<ByteView> payload = reader.next();
    ASSERT_TRUE(payload.ok());
    const Result<Frame> decoded = decode_payload(*payload);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->index(), frame.index());
    EXPECT_EQ(to_hex(encode_frame(*decoded)), to_hex(bytes));
  }
}

std::uint16_t format_of_frame(const Frame& frame) {
  const auto* message = std::get_if<PeerMessage>(&frame);
  return message == nullptr ? std::uint16_t{1} : format_of(*message);
}

// Kept for each format: the frames that came with it, of what an older release may say.
TEST(PeerFrames, the_bytes_of_each_type) {
  for (std::uint16_t format = 1; format <= format_newest; ++format) {
    Bytes written;
    for (const Frame& frame : examples()) {
      written += format_of_frame(frame) == format ? encode_frame(frame) : "";
    }
    ASSERT_FALSE(written.empty()) << format;
    const std::string kept =
        fmt::format("{}/testdata/format{}/peer_frames.hex", SYNOD_SOURCE_DIR, format);
    script::expect_kept(kept, written);

    FrameReader reader;
    reader.feed(script::read_kept(kept));
    Bytes again;
    for (Result<ByteView> payload = reader.next(); payload.ok() && !payload->empty();
         payload = reader.next()) {
      const Result<Frame> frame = decode_payload(*payload);
      ASSERT_TRUE(frame.ok()) << frame.error().message;
      EXPECT_EQ(format_of_frame(*frame), format);
      again += encode_frame(*frame);
    }
    EXPECT_EQ(to_hex(again), to_hex(written));
  }
}

TEST(PeerFrames, the_documented_example) {
  EXPECT_EQ(to_hex(encode_frame(PeerMessage(paxos::Message(paxos::Prepare{second_ballot})))),
            "0d000000"
            "51d1fbee"
            "13"
            "0200000000000000"
            "03000000");
}

TEST(PeerFrames, a_body_that_is_short_or_long_is_malformed) {
  for (const Frame& frame : examples()) {
    const Bytes payload = encode_frame(frame).substr(8);
    for (std::size_t size = 0; size < payload.size(); ++size) {
      EXPECT_FALSE(decode_payload(ByteView(payload).substr(0, size)).ok());
    }
    EXPECT_FALSE(decode_payload(payload + "x").ok());
  }
}

TEST(PeerFrames, frames_cut_anywhere_are_put_together) {
  Bytes stream;
  for (const Frame& frame : examples()) {
    stream += encode_frame(frame);
  }
  Prng prng(1);
  FrameReader reader;
  std::size_t found = 0;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t size = 1 + prng.below(20);
    reader.feed(ByteView(stream).substr(at, size));
    at += size;
    for (Result<ByteView> next = reader.next(); next.ok() && !next->empty(); next = reader.next()) {
      EXPECT_TRUE(decode_payload(*next).ok());
      ++found;
    }
  }
  EXPECT_EQ(found, examples().size());
}

TEST(PeerFrames, damage_is_noticed) {
  const Bytes good = encode_frame(examples().front());
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    FrameReader reader;
    reader.feed(bad);
    const Result<ByteView> next = reader.next();
    EXPECT_TRUE(!next.ok() || next->empty()) << "byte " << at;
  }
}

// ---- links

struct Station {
  std::unique_ptr<Links> links;
  std::vector<std::string> heard;

  Station(sim::SimProcess& process, NodeId self, const std::map<NodeId, std::string>& all,
          ClusterId cluster, std::uint16_t format, const std::string& objection) {
    LinksOptions options;
    options.format = format;
    options.self = self;
    for (const auto& [node, host] : all) {
      const ports::HostPort at{host, 2888};
      if (node == self) {
        options.listen = at;
      } else {
        options.others.emplace(node, at);
      }
    }
    const auto note = [this](NodeId node, const std::string& what) {
      heard.push_back(std::to_string(node.value()) + what);
    };
    LinksEvents events;
    events.on_up = [note](NodeId node) { note(node, " up"); };
    events.on_down = [note](NodeId node, bool refused) {
      note(node, refused ? " refused" : " down");
    };
    events.on_message = [note](NodeId node, const PeerMessage& message) {
      const auto* ask = std::get_if<SyncAsk>(&message);
      note(node, ask == nullptr ? " says digests" : " says " + std::to_string(ask->ticket));
    };
    events.objection = [objection](const Hello&) { return objection; };
    events.identity = [cluster] { return std::pair(cluster, Incarnation(1)); };
    events.on_failed = [note](const Error& error) { note(NodeId(), error.message); };
    links = std::make_unique<Links>(process.main_lane(), process.network(), options, events);
  }
};

class Stranger final : public ports::StreamHandler {
 public:
  Stranger(sim::SimProcess& process, const std::string& host, Bytes bytes)
      : lane_(process.main_lane()), bytes_(std::move(bytes)) {
    dial_ = process.network().dial(lane_, {host, 2888}, {}, [this](auto&& stream) {
      stream_ = std::move(stream).value();
      stream_->attach(lane_, *this);
      stream_->write(bytes_);
    });
  }
  void on_bytes(ByteView) override {}
  void on_eof() override { closed = true; }
  void on_closed(const Error&) override { closed = true; }
  bool closed = false;

 private:
  ports::Lane& lane_;
  Bytes bytes_;
  std::unique_ptr<ports::Dial> dial_;
  std::unique_ptr<ports::Stream> stream_;
};

class PeerLinks : public ::testing::Test {
 protected:
  sim::SimProcess& start(std::uint32_t node, ClusterId cluster,
                         std::uint16_t format = format_newest) {
    sim::SimMachine* machine = world_.find_machine(all_.at(NodeId(node)));
    if (machine == nullptr) {
      sim::MachineOptions options;
      options.name = "m" + std::to_string(node);
      options.address = all_.at(NodeId(node));
      machine = &world_.add_machine(options);
    }
    const std::string objection = objection_;
    return machine->start("links", [=, this](sim::SimProcess& process) {
      return sim::Program(
          std::make_shared<Station>(process, NodeId(node), all_, cluster, format, objection));
    });
  }
  static bool heard(sim::SimProcess& process, const std::string& what) {
    const auto& lines = process.program<Station>()->heard;
    return std::find(lines.begin(), lines.end(), what) != lines.end();
  }

  sim::World world_{sim::WorldOptions{.seed = 3}};
  std::string objection_;  // of those that start from now on
  const std::map<NodeId, std::string> all_{{NodeId(1), "10.0.0.1"}, {NodeId(2), "10.0.0.2"}};
};

TEST_F(PeerLinks, a_process_that_dies_is_refused_and_one_that_returns_is_up) {
  sim::SimProcess& one = start(1, ClusterId(9));
  sim::SimProcess& two = start(2, ClusterId(0));
  world_.run_for(Duration::seconds(2));
  ASSERT_TRUE(heard(one, "2 up"));
  one.program<Station>()->heard.clear();
  two.kill();
  const Instant killed = world_.now();
  EXPECT_TRUE(
      world_.run_until(killed + Duration::seconds(1), [&] { return heard(one, "2 refused"); }));
  EXPECT_LT((world_.now() - killed).millis(), 50);
  start(2, ClusterId(9));
  world_.run_for(Duration::seconds(2));
  EXPECT_TRUE(heard(one, "2 up"));
}

// To a server of another version it would be a malformed frame.
TEST_F(PeerLinks, what_the_other_does_not_know_is_not_sent) {
  sim::SimProcess& one = start(1, ClusterId(9));
  sim::SimProcess& two = start(2, ClusterId(9), 1);
  world_.run_for(Duration::seconds(2));
  const auto tell = [](sim::SimProcess& from, NodeId to) {
    Links& links = *from.program<Station>()->links;
    EXPECT_TRUE(links.send(to, DigestsSaid{1, {{Slot(16), 17}}}));
    EXPECT_TRUE(links.send(to, PeerMessage(paxos::Message(paxos::LeaseGranted{}))));
    EXPECT_TRUE(links.send(to, SyncAsk{5}));
  };
  tell(one, NodeId(2));
  tell(two, NodeId(1));
  world_.run_for(Duration::seconds(1));
  EXPECT_TRUE(heard(two, "1 says 5"));
  EXPECT_FALSE(heard(two, "1 says digests"));
  EXPECT_TRUE(heard(one, "2 says 5"));
  EXPECT_FALSE(heard(one, "2 says digests")) << "a server of format 1 does not have them";
}

// Release 0.1.0 would take it for an entry without effect.
TEST(PeerFrames, a_kind_of_entry_that_nobody_writes_is_malformed) {
  for (int number = 0; number < 8; ++number) {
    paxos::Accept accept{second_ballot, Slot(2), paxos::Chain(3), Slot(1), {entry("value")}};
    accept.entries[0].kind = static_cast<paxos::EntryKind>(number);
    const Bytes frame = encode_frame(PeerMessage(paxos::Message(accept)));
    EXPECT_EQ(decode_payload(ByteView(frame).substr(8)).ok(), number < 5 && number != 3) << number;
  }
}

// Both sides refuse whom the owner objects to, in words.
TEST_F(PeerLinks, one_that_knows_too_little_is_told_so) {
  objection_ = "too old";
  sim::SimProcess& one = start(1, ClusterId(9));
  objection_ = "";
  sim::SimProcess& two = start(2, ClusterId(9));
  world_.run_for(Duration::seconds(5));
  EXPECT_FALSE(heard(one, "2 up"));
  EXPECT_FALSE(heard(two, "1 up"));
  std::ostringstream logs;
  world_.print_logs(logs);
  EXPECT_NE(logs.str().find("connection to node 1 dropped: too old"), std::string::npos);
  EXPECT_NE(logs.str().find("connection to node 2 dropped: too old"), std::string::npos);
}

TEST_F(PeerLinks, another_ensemble_is_refused) {
  sim::SimProcess& one = start(1, ClusterId(9));
  sim::SimProcess& two = start(2, ClusterId(8));
  world_.run_for(Duration::seconds(5));
  EXPECT_FALSE(heard(one, "2 up"));
  EXPECT_FALSE(heard(two, "1 up"));
}

TEST_F(PeerLinks, bytes_of_strangers_close_their_connection_only) {
  sim::SimProcess& one = start(1, ClusterId(9));
  start(2, ClusterId(9));
  world_.run_for(Duration::seconds(2));
  Prng prng(5);
  Bytes noise;
  for (int i = 0; i < 300; ++i) {
    noise.push_back(static_cast<char>(prng.below(256)));
  }
  sim::MachineOptions options;
  options.name = "stranger";
  options.address = "10.0.0.77";
  sim::SimMachine& machine = world_.add_machine(options);
  const std::vector<Bytes> attempts{noise, encode_frame(Ping{}),
                                    encode_frame(PeerMessage(SyncAsk{666})),
                                    encode_frame(Hello{1, NodeId(7), NodeId(1), ClusterId(9),
                                                       Incarnation(1), RulesVersion(1), ""}),
                                    Bytes("\xff\xff\xff\xff\0\0\0\0", 8)};
  for (const Bytes& attempt : attempts) {
    sim::SimProcess& process = machine.start("stranger", [&](sim::SimProcess& self) {
      return sim::Program(std::make_shared<Stranger>(self, "10.0.0.1", attempt));
    });
    world_.run_for(Duration::seconds(2));
    EXPECT_TRUE(process.program<Stranger>()->closed);
  }
  EXPECT_FALSE(heard(one, "2 down"));
  EXPECT_TRUE(one.program<Station>()->links->up(NodeId(2)));
}

}  // namespace
}  // namespace synod::coordinator::peer
