// What a slot holds and what a snapshot of the state holds: any batch can be applied, any bytes can
// be refused. And zoo.cfg, as anybody may write it.
#include "coordinator/zoo_config.h"
#include "fuzz/fuzz.h"
#include "zkwire/frame.h"
#include "znode/command.h"
#include "znode/state.h"

namespace synod::fuzz {
namespace {

using namespace znode;

void batch(ByteView input) {
  const auto decoded = decode_batch(input);
  if (!decoded.ok()) {
    return;
  }
  State state;
  for (const Command& command : decoded->commands) {
    state.apply(decoded->header, command);
  }
  SYNOD_CHECK(state.check().empty());
  auto again = State::load(state.snapshot());
  SYNOD_CHECK(again.ok() && again->digest() == state.digest());
}

void one(ByteView input) {
  if (input.empty()) {
    return;
  }
  const auto which = static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  if (which % 3 == 0) {
    batch(input);
  } else if (which % 3 == 1) {
    if (auto state = State::load(input); state.ok()) {
      SYNOD_CHECK(state->check().empty());
    }
  } else {
    static_cast<void>(coordinator::parse_zoo_config(input));
    static_cast<void>(coordinator::parse_my_id(input));
  }
}

Command create_session(std::int64_t id) {
  Command command;
  command.session = SessionId(id);
  command.request = CreateSession{1, 4000, Bytes(16, 'p'), 1};
  return command;
}

Command write(std::int64_t id, std::uint64_t sequence, zkwire::OpCode op, ByteView body) {
  Command command;
  command.session = SessionId(id);
  command.generation = Generation(1);
  command.sequence = Sequence(sequence);
  command.identities = {zkwire::Id{"ip", "127.0.0.1"}};
  auto request = zkwire::decode_request_body(op, body);
  SYNOD_CHECK(request.ok());
  command.request = ClientWrite{op, std::move(request).value()};
  return command;
}

std::vector<Bytes> seeds() {
  const Bytes create("\0\0\0\2/a\0\0\0\3abc\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone\0\0\0\1",
                     44);
  const Bytes remove("\0\0\0\2/a\xff\xff\xff\xff", 10);
  const Bytes slot =
      encode_batch(BatchHeader{}, {encode_command(create_session(5)),
                                   encode_command(write(5, 1, zkwire::OpCode::create, create)),
                                   encode_command(write(5, 2, zkwire::OpCode::remove, remove))});
  State state;
  state.apply(BatchHeader{}, create_session(5));
  state.apply(BatchHeader{}, write(5, 1, zkwire::OpCode::create, create));
  return {
      Bytes(1, 0) + slot, Bytes(1, 1) + state.snapshot(), Bytes(1, 1) + State().snapshot(),
      Bytes(1, 2) +
          "tickTime=2000\ndataDir=/d\nclientPort=2181\nserver.1=a:2888:3888:observer;[::1]:2181\n"
          "4lw.commands.whitelist=*\n",
      Bytes(1, 2) + "7\n"};
}

SYNOD_FUZZ_TARGET(zoo_state, one, seeds);

}  // namespace
}  // namespace synod::fuzz
