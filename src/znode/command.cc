#include "znode/command.h"

#include <fmt/format.h>

#include "base/check.h"
#include "zkwire/frame.h"

namespace synod::znode {
namespace {

// Frozen: the first byte of an encoded request.
enum class Tag : std::uint8_t {
  no_op = 0,
  client_write = 1,
  fail_write = 2,
  close_session = 3,
  create_session = 4,
  attach_session = 5,
  expire_session = 6,
  delete_container = 7,
  open_epoch = 8,
  update_settings = 9,
  reconfigure = 10,
  config_write = 11,
};

constexpr std::uint8_t batch_format = 1;
constexpr std::size_t command_size_min = 8 + 4 + 8 + 2 + 1;

void put_tag(ByteWriter& out, Tag tag) { out.u8(static_cast<std::uint8_t>(tag)); }

struct RequestWriter {
  ByteWriter& out;

  void operator()(const NoOp&) const { put_tag(out, Tag::no_op); }
  void operator()(const ClientWrite& r) const {
    put_tag(out, Tag::client_write);
    out.i32(static_cast<std::int32_t>(r.op));
    out.sized(zkwire::encode_request_body(r.op, r.request));
  }
  void operator()(const FailWrite& r) const {
    put_tag(out, Tag::fail_write);
    out.i32(static_cast<std::int32_t>(r.code));
  }
  void operator()(const CloseSession&) const { put_tag(out, Tag::close_session); }
  void operator()(const CreateSession& r) const {
    put_tag(out, Tag::create_session);
    out.u32(r.minter);
    out.i32(r.timeout_ms);
    out.sized(r.password);
    out.u64(r.nonce);
  }
  void operator()(const AttachSession& r) const {
    put_tag(out, Tag::attach_session);
    out.i32(r.timeout_ms);
    out.sized(r.password);
    out.u64(r.nonce);
  }
  void operator()(const ExpireSession& r) const {
    put_tag(out, Tag::expire_session);
    out.u32(r.generation.value());
  }
  void operator()(const DeleteContainer& r) const {
    put_tag(out, Tag::delete_container);
    out.sized(r.path);
  }
  void operator()(const OpenEpoch&) const { put_tag(out, Tag::open_epoch); }
  void operator()(const UpdateSettings& r) const {
    put_tag(out, Tag::update_settings);
    out.u32(static_cast<std::uint32_t>(r.values.size()));
    for (const auto& [key, value] : r.values) {
      out.sized(key);
      out.sized(value);
    }
  }
  void operator()(const Reconfigure& r) const {
    put_tag(out, Tag::reconfigure);
    out.sized(zkwire::encode_request_body(zkwire::OpCode::reconfig, r.request));
  }
  void operator()(const ConfigWrite& r) const {
    put_tag(out, Tag::config_write);
    out.sized(r.text);
  }
};

bool is_logged_op(zkwire::OpCode op) {
  switch (op) {
    case zkwire::OpCode::create:
    case zkwire::OpCode::create2:
    case zkwire::OpCode::create_container:
    case zkwire::OpCode::create_ttl:
    case zkwire::OpCode::remove:
    case zkwire::OpCode::set_data:
    case zkwire::OpCode::set_acl:
    case zkwire::OpCode::multi: return true;
    default: return false;
  }
}

CommandRequest read_client_write(ByteReader& in) {
  const auto op = static_cast<zkwire::OpCode>(in.i32());
  const ByteView body = in.sized();
  if (!in.ok() || !is_logged_op(op)) {
    in.fail();
    return NoOp{};
  }
  Result<zkwire::Request> request = zkwire::decode_request_body(op, body);
  if (!request.ok()) {
    in.fail();
    return NoOp{};
  }
  return ClientWrite{op, std::move(request).value()};
}

CreateSession read_create_session(ByteReader& in) {
  CreateSession r;
  r.minter = in.u32();
  r.timeout_ms = in.i32();
  r.password = Bytes(in.sized());
  r.nonce = in.u64();
  return r;
}

AttachSession read_attach_session(ByteReader& in) {
  AttachSession r;
  r.timeout_ms = in.i32();
  r.password = Bytes(in.sized());
  r.nonce = in.u64();
  return r;
}

UpdateSettings read_update_settings(ByteReader& in) {
  UpdateSettings r;
  for (std::uint32_t n = in.u32(); n > 0 && in.ok(); --n) {
    std::string key(in.sized());
    r.values[std::move(key)] = std::string(in.sized());
  }
  return r;
}

CommandRequest read_reconfigure(ByteReader& in) {
  Result<zkwire::Request> request =
      zkwire::decode_request_body(zkwire::OpCode::reconfig, in.sized());
  if (!in.ok() || !request.ok()) {
    in.fail();
    return NoOp{};
  }
  return Reconfigure{std::get<zkwire::ReconfigRequest>(std::move(request).value())};
}

CommandRequest read_request(ByteReader& in) {
  switch (static_cast<Tag>(in.u8())) {
    case Tag::no_op: return NoOp{};
    case Tag::client_write: return read_client_write(in);
    case Tag::fail_write: return FailWrite{static_cast<zkwire::Code>(in.i32())};
    case Tag::close_session: return CloseSession{};
    case Tag::create_session: return read_create_session(in);
    case Tag::attach_session: return read_attach_session(in);
    case Tag::expire_session: return ExpireSession{Generation(in.u32())};
    case Tag::delete_container: return DeleteContainer{std::string(in.sized())};
    case Tag::open_epoch: return OpenEpoch{};
    case Tag::update_settings: return read_update_settings(in);
    case Tag::reconfigure: return read_reconfigure(in);
    case Tag::config_write: return ConfigWrite{std::string(in.sized())};
  }
  in.fail();
  return NoOp{};
}

const char* name_of(const CommandRequest& request) {
  static constexpr const char* names[] = {"noOp",           "write",           "fail",
                                          "closeSession",   "createSession",   "attachSession",
                                          "expireSession",  "deleteContainer", "openEpoch",
                                          "updateSettings", "reconfig",        "config"};
  static_assert(std::size(names) == std::variant_size_v<CommandRequest>);
  return names[request.index()];
}

}  // namespace

std::uint32_t Switches::to_bits() const {
  const bool bits[] = {skip_acl,      enforce_quota, extended_types, scheme_ip,
                       scheme_digest, scheme_sasl,   scheme_x509};
  std::uint32_t v = 0;
  for (std::size_t i = 0; i < std::size(bits); ++i) {
    v |= bits[i] ? 1U << i : 0U;
  }
  return v;
}

Switches Switches::from_bits(std::uint32_t bits) {
  Switches s;
  bool* const fields[] = {&s.skip_acl,      &s.enforce_quota, &s.extended_types, &s.scheme_ip,
                          &s.scheme_digest, &s.scheme_sasl,   &s.scheme_x509};
  for (std::size_t i = 0; i < std::size(fields); ++i) {
    *fields[i] = (bits & (1U << i)) != 0;
  }
  return s;
}

bool is_sequenced(const CommandRequest& request) {
  return std::holds_alternative<ClientWrite>(request) ||
         std::holds_alternative<FailWrite>(request) ||
         std::holds_alternative<CloseSession>(request) ||
         std::holds_alternative<Reconfigure>(request) ||
         std::holds_alternative<ConfigWrite>(request);
}

bool is_leaders_own(const CommandRequest& request) {
  return !is_sequenced(request) && !std::holds_alternative<CreateSession>(request) &&
         !std::holds_alternative<AttachSession>(request);
}

bool is_reconfigure(ByteView command) {
  ByteReader in(command);
  (void)in.raw(command_size_min - 2 - 1);
  for (std::uint16_t n = in.u16(); n > 0 && in.ok(); --n) {
    (void)in.sized();
    (void)in.sized();
  }
  return in.u8() == static_cast<std::uint8_t>(Tag::reconfigure) && in.ok();
}

Bytes encode_command(const Command& command) {
  ByteWriter out;
  out.i64(command.session.value());
  out.u32(command.generation.value());
  out.u64(command.sequence.value());
  out.u16(static_cast<std::uint16_t>(command.identities.size()));
  for (const zkwire::Id& id : command.identities) {
    out.sized(id.scheme);
    out.sized(id.id);
  }
  std::visit(RequestWriter{out}, command.request);
  return out.take();
}

namespace {

// `known` are the bytes of the identities that `command` holds already: most commands of a batch
// come from the same few.
Status decode_into(ByteView bytes, Command& command, ByteView& known) {
  ByteReader in(bytes);
  command.session = SessionId(in.i64());
  command.generation = Generation(in.u32());
  command.sequence = Sequence(in.u64());
  const std::size_t begin = bytes.size() - in.remaining();
  if (known.empty() || bytes.substr(begin, known.size()) != known) {
    command.identities.clear();
    for (std::uint16_t n = in.u16(); n > 0 && in.ok(); --n) {
      zkwire::Id id;
      id.scheme = std::string(in.sized());
      id.id = std::string(in.sized());
      command.identities.push_back(std::move(id));
    }
    known = bytes.substr(begin, bytes.size() - in.remaining() - begin);
  } else {
    (void)in.raw(known.size());
  }
  command.request = read_request(in);
  if (!in.done()) {
    return Error{ErrorCode::malformed, "command: malformed"};
  }
  return {};
}

}  // namespace

Result<Command> decode_command(ByteView bytes) {
  Command command;
  ByteView none;
  SYNOD_TRY(decode_into(bytes, command, none));
  return command;
}

Bytes encode_batch(const BatchHeader& header, const std::vector<Bytes>& commands) {
  ByteWriter out;
  out.u8(batch_format);
  out.i64(header.time.millis);
  out.u32(header.rules.value());
  out.u32(header.switches.to_bits());
  out.u32(static_cast<std::uint32_t>(commands.size()));
  for (const Bytes& command : commands) {
    out.sized(command);
  }
  return out.take();
}

Result<BatchReader> BatchReader::begin(ByteView bytes) {
  BatchReader reader(bytes);
  ByteReader& in = reader.in_;
  if (in.u8() != batch_format) {
    return Error{ErrorCode::malformed, "batch: unknown format"};
  }
  reader.header_.time.millis = in.i64();
  reader.header_.rules = RulesVersion(in.u32());
  reader.header_.switches = Switches::from_bits(in.u32());
  reader.left_ = in.u32();
  if (reader.left_ > in.remaining() / command_size_min) {
    return Error{ErrorCode::malformed, "batch: more commands than bytes"};
  }
  if (reader.left_ == 0 && !in.done()) {
    return Error{ErrorCode::malformed, "batch: malformed"};
  }
  return reader;
}

Result<const Command*> BatchReader::next() {
  const ByteView bytes = in_.sized();
  const Status decoded = decode_into(bytes, command_, identities_);
  if (!decoded.ok()) {
    identities_ = {};
    return decoded.error();
  }
  if (--left_ == 0 && !in_.done()) {
    return Error{ErrorCode::malformed, "batch: malformed"};
  }
  return &command_;
}

Result<Batch> decode_batch(ByteView bytes) {
  SYNOD_TRY_ASSIGN(BatchReader reader, BatchReader::begin(bytes));
  Batch batch;
  batch.header = reader.header();
  while (!reader.at_end()) {
    SYNOD_TRY_ASSIGN(const Command* command, reader.next());
    batch.commands.push_back(*command);
  }
  return batch;
}

std::string to_string(const Command& command) {
  const auto* write = std::get_if<ClientWrite>(&command.request);
  return fmt::format("session=0x{:x} gen={} seq={} {}",
                     static_cast<std::uint64_t>(command.session.value()),
                     command.generation.value(), command.sequence.value(),
                     write != nullptr ? zkwire::to_string(write->op) : name_of(command.request));
}

}  // namespace synod::znode
