// The bytes of batches and of states, kept: what was written once must be read for ever, and be
// evaluated as it was. testdata/format1/*.hex: test/script/kept.h.
#include <gtest/gtest.h>

#include "test/script/kept.h"
#include "znode/state.h"

namespace synod::znode {
namespace {

using zkwire::OpCode;

std::string kept_path(const std::string& name) {
  return std::string(SYNOD_SOURCE_DIR) + "/testdata/format1/" + name + ".hex";
}

Command of_client(std::int64_t session, std::uint64_t sequence, CommandRequest request) {
  Command command;
  command.session = SessionId(session);
  command.generation = Generation(1);
  command.sequence = Sequence(sequence);
  command.identities = {{"ip", "127.0.0.1"}, {"digest", "user:hash"}};
  command.request = std::move(request);
  return command;
}

ClientWrite create(const std::string& path, const std::string& data, std::int32_t flags) {
  zkwire::CreateRequest request{path, Bytes(data), zkwire::open_acl(), flags, -1};
  if (path == "/private") {
    request.acl = {zkwire::Acl{31, {"digest", "user:hash"}}};
  }
  return ClientWrite{OpCode::create, request};
}

constexpr std::int64_t first = 0x1000000000001;
constexpr std::int64_t second = 0x2000000000001;

// Each request of the first rules, some of which fail.
std::vector<Command> first_commands() {
  const Bytes password(16, 'p');
  Command open;
  open.request = OpenEpoch{};
  Command settings;
  settings.request = UpdateSettings{{{"config", "server.1=h:1:2:participant"}}};
  Command one = of_client(first, 0, CreateSession{1, 4000, password, 11});
  Command two = of_client(second, 0, CreateSession{2, 6000, password, 22});
  one.generation = two.generation = Generation();
  Command attach = of_client(second, 0, AttachSession{password, 8000, 23});
  Command write = of_client(second, 1, create("/sequence-", "", 2));
  write.generation = Generation(2);
  Command removes;
  removes.request = DeleteContainer{"/nothing"};
  Command expires;
  expires.session = SessionId(first);
  expires.request = ExpireSession{Generation(1)};
  return {open,
          settings,
          one,
          two,
          of_client(first, 1, create("/a", "apple", 0)),
          of_client(first, 2, create("/private", "", 0)),
          of_client(first, 3, create("/a/ephemeral", "e", 1)),
          of_client(first, 4,
                    ClientWrite{OpCode::set_data, zkwire::SetDataRequest{"/a", Bytes("pear"), 0}}),
          of_client(first, 5, ClientWrite{OpCode::remove, zkwire::PathVersionRequest{"/a", -1}}),
          of_client(first, 6, FailWrite{zkwire::Code::no_auth}),
          attach,
          write,
          of_client(first, 7, CloseSession{}),
          removes,
          expires,
          Command{}};
}

Bytes batch_of(std::uint32_t rules, const std::vector<Command>& commands) {
  std::vector<Bytes> encoded;
  for (const Command& command : commands) {
    encoded.push_back(encode_command(command));
  }
  return encode_batch(BatchHeader{WallTime{1'700'000'000'000}, RulesVersion(rules), {}}, encoded);
}

// Applies what the kept file holds.
std::vector<Command> apply_kept(const std::string& name, State& state) {
  const Bytes bytes = script::read_kept(kept_path(name));
  Result<BatchReader> batch = BatchReader::begin(bytes);
  EXPECT_TRUE(batch.ok());
  std::vector<Command> commands;
  while (batch.ok() && !batch->at_end()) {
    const Result<const Command*> command = batch->next();
    EXPECT_TRUE(command.ok());
    if (!command.ok()) {
      break;
    }
    commands.push_back(**command);
    state.apply(batch->header(), **command);
  }
  return commands;
}

TEST(StateFormat, BatchesAndWhatTheyComeTo) {
  script::expect_kept(kept_path("batch"), batch_of(1, first_commands()));
  State state{State::Options{}};
  EXPECT_EQ(apply_kept("batch", state), first_commands());
  EXPECT_EQ(state.counts().sessions, 1U);
  EXPECT_NE(state.tree().find("/sequence-0000000002"), nullptr);
  EXPECT_EQ(state.tree().find("/a/ephemeral"), nullptr);

  script::expect_kept(kept_path("state"), state.snapshot());
  const Result<State> loaded = State::load(script::read_kept(kept_path("state")));
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->digest(), state.digest());
  EXPECT_EQ(loaded->last_zxid(), state.last_zxid());
}

// Rules 2: changes of members.
TEST(StateFormat, BatchesOfTheSecondRules) {
  Command write;
  write.session = SessionId(second);
  write.generation = Generation(2);
  write.sequence = Sequence(2);
  write.request = ConfigWrite{"server.1=h:1:2:participant;h:3\n"};
  const std::vector<Command> commands{write};
  script::expect_kept(kept_path("batch_rules2"), batch_of(2, commands));
  State state{State::Options{}};
  apply_kept("batch", state);
  EXPECT_EQ(apply_kept("batch_rules2", state), commands);
  const Node* config = state.tree().find("/zookeeper/config");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->data().substr(0, 31), "server.1=h:1:2:participant;h:3\n");

  Command asked = write;
  asked.request = Reconfigure{{"server.2=h:1:2", "3", "", 7}};
  script::expect_kept(kept_path("reconfigure"), encode_command(asked));
  EXPECT_EQ(decode_command(script::read_kept(kept_path("reconfigure"))).value(), asked);
}

}  // namespace
}  // namespace synod::znode
