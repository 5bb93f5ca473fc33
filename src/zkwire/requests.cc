// Request bodies, multi's included.
#include <optional>

#include "base/check.h"
#include "zkwire/frame.h"
#include "zkwire/jute.h"

namespace synod::zkwire {
namespace {

struct MultiHeader {
  std::int32_t type = -1;
  bool done = false;
  std::int32_t err = -1;
};

MultiHeader read_multi_header(JuteReader& in) {
  MultiHeader header;
  header.type = in.i32();
  header.done = in.boolean();
  header.err = in.i32();
  return header;
}

void write_multi_header(JuteWriter& out, const MultiHeader& header) {
  out.i32(header.type);
  out.boolean(header.done);
  out.i32(header.err);
}

CreateRequest read_create(JuteReader& in, bool with_ttl) {
  CreateRequest request;
  request.path = in.path();
  request.data = in.buffer();
  request.acl = in.acl();
  request.flags = in.i32();
  if (with_ttl) {
    request.ttl_ms = in.i64();
  }
  return request;
}

void write_create(JuteWriter& out, const CreateRequest& request, bool with_ttl) {
  out.string(request.path);
  out.buffer(request.data);
  out.acl(request.acl);
  out.i32(request.flags);
  if (with_ttl) {
    out.i64(request.ttl_ms);
  }
}

PathVersionRequest read_path_version(JuteReader& in) {
  PathVersionRequest request;
  request.path = in.path();
  request.version = in.i32();
  return request;
}

// Where genuine ZooKeeper validates the path first, a null one is an invalid path (-8), as "" is.
SetDataRequest read_set_data(JuteReader& in) {
  SetDataRequest request;
  request.path = in.string();
  request.data = in.buffer();
  request.version = in.i32();
  return request;
}

void write_set_data(JuteWriter& out, const SetDataRequest& request) {
  out.string(request.path);
  out.buffer(request.data);
  out.i32(request.version);
}

PathWatchRequest read_path_watch(JuteReader& in) {
  PathWatchRequest request;
  request.path = in.path();
  request.watch = in.boolean();
  return request;
}

// Inside a multi the kind of a create is derived from its flags; nullopt fails the whole request.
std::optional<OpCode> kind_of_create(OpCode type, std::int32_t flags) {
  const bool plain = flags >= create_flag::persistent && flags <= create_flag::ephemeral_sequential;
  const bool ttl = flags == create_flag::persistent_with_ttl ||
                   flags == create_flag::persistent_sequential_with_ttl;
  if (flags == create_flag::container) {
    return OpCode::create_container;
  }
  if (type == OpCode::create_ttl) {
    if (ttl) {
      return OpCode::create_ttl;
    }
    return plain ? std::optional<OpCode>(OpCode::create) : std::nullopt;
  }
  return plain ? std::optional<OpCode>(type) : std::nullopt;
}

bool is_create(OpCode type) {
  return type == OpCode::create || type == OpCode::create2 || type == OpCode::create_container ||
         type == OpCode::create_ttl;
}

bool read_multi_part(JuteReader& in, OpCode type, std::vector<MultiPart>& parts) {
  MultiPart part{type, {}};
  if (is_create(type)) {
    CreateRequest create = read_create(in, type == OpCode::create_ttl);
    const std::optional<OpCode> kind = kind_of_create(type, create.flags);
    if (!kind.has_value()) {
      return false;
    }
    part.type = *kind;
    if (*kind != OpCode::create_ttl) {
      create.ttl_ms = -1;
    }
    part.request = std::move(create);
  } else if (type == OpCode::remove) {
    part.request = read_path_version(in);
  } else if (type == OpCode::check) {
    PathVersionRequest check;
    check.path = in.string();
    check.version = in.i32();
    part.request = std::move(check);
  } else if (type == OpCode::set_data) {
    part.request = read_set_data(in);
  } else {
    return false;
  }
  parts.push_back(std::move(part));
  return in.ok();
}

MultiRequest read_multi(JuteReader& in) {
  MultiRequest request;
  for (;;) {
    const MultiHeader header = read_multi_header(in);
    if (header.done || !in.ok()) {
      return request;
    }
    if (!read_multi_part(in, static_cast<OpCode>(header.type), request.parts)) {
      in.fail();
      return request;
    }
  }
}

MultiReadRequest read_multi_read(JuteReader& in) {
  MultiReadRequest request;
  for (;;) {
    const MultiHeader header = read_multi_header(in);
    if (header.done || !in.ok()) {
      return request;
    }
    const auto type = static_cast<OpCode>(header.type);
    if (type != OpCode::get_data && type != OpCode::get_children) {
      in.fail();
      return request;
    }
    request.parts.push_back({type, read_path_watch(in)});
  }
}

void write_multi(JuteWriter& out, const MultiRequest& request) {
  for (const MultiPart& part : request.parts) {
    write_multi_header(out, {static_cast<std::int32_t>(part.type), false, -1});
    if (const auto* create = std::get_if<CreateRequest>(&part.request)) {
      write_create(out, *create, part.type == OpCode::create_ttl);
    } else if (const auto* set = std::get_if<SetDataRequest>(&part.request)) {
      write_set_data(out, *set);
    } else {
      const auto& other = std::get<PathVersionRequest>(part.request);
      out.string(other.path);
      out.i32(other.version);
    }
  }
  write_multi_header(out, {-1, true, -1});
}

void write_multi_read(JuteWriter& out, const MultiReadRequest& request) {
  for (const MultiReadPart& part : request.parts) {
    write_multi_header(out, {static_cast<std::int32_t>(part.type), false, -1});
    out.string(part.request.path);
    out.boolean(part.request.watch);
  }
  write_multi_header(out, {-1, true, -1});
}

SetWatchesRequest read_set_watches(JuteReader& in, bool with_persistent) {
  SetWatchesRequest request;
  request.relative_zxid = in.i64();
  request.data_watches = in.paths();
  request.exist_watches = in.paths();
  request.child_watches = in.paths();
  if (with_persistent) {
    request.persistent_watches = in.paths();
    request.persistent_recursive_watches = in.paths();
  }
  return request;
}

void write_set_watches(JuteWriter& out, const SetWatchesRequest& request, bool with_persistent) {
  out.i64(request.relative_zxid);
  out.strings(request.data_watches);
  out.strings(request.exist_watches);
  out.strings(request.child_watches);
  if (with_persistent) {
    out.strings(request.persistent_watches);
    out.strings(request.persistent_recursive_watches);
  }
}

// Writes whichever alternative the request is; the caller has chosen the right one.
struct RequestWriter {
  JuteWriter& out;
  OpCode op;

  void operator()(const EmptyRequest&) const {}
  void operator()(const CreateRequest& r) const { write_create(out, r, op == OpCode::create_ttl); }
  void operator()(const PathVersionRequest& r) const {
    out.string(r.path);
    out.i32(r.version);
  }
  void operator()(const SetDataRequest& r) const { write_set_data(out, r); }
  void operator()(const SetAclRequest& r) const {
    out.string(r.path);
    out.acl(r.acl);
    out.i32(r.version);
  }
  void operator()(const PathWatchRequest& r) const {
    out.string(r.path);
    out.boolean(r.watch);
  }
  void operator()(const PathRequest& r) const { out.string(r.path); }
  void operator()(const PathNumberRequest& r) const {
    out.string(r.path);
    out.i32(r.number);
  }
  void operator()(const SetWatchesRequest& r) const {
    write_set_watches(out, r, op == OpCode::set_watches2);
  }
  void operator()(const AuthRequest& r) const {
    out.i32(r.type);
    out.string(r.scheme);
    out.buffer(r.auth);
  }
  void operator()(const SaslRequest& r) const { out.buffer(r.token); }
  void operator()(const ReconfigRequest& r) const {
    out.string(r.joining);
    out.string(r.leaving);
    out.string(r.new_members);
    out.i64(r.current_config_id);
  }
  void operator()(const MultiRequest& r) const { write_multi(out, r); }
  void operator()(const MultiReadRequest& r) const { write_multi_read(out, r); }
};

AuthRequest read_auth(JuteReader& in) {
  AuthRequest request;
  request.type = in.i32();
  request.scheme = in.string();
  request.auth = in.buffer();
  return request;
}

ReconfigRequest read_reconfig(JuteReader& in) {
  ReconfigRequest request;
  request.joining = in.string();
  request.leaving = in.string();
  request.new_members = in.string();
  request.current_config_id = in.i64();
  return request;
}

SetAclRequest read_set_acl(JuteReader& in) {
  SetAclRequest request;
  request.path = in.string();
  request.acl = in.acl();
  request.version = in.i32();
  return request;
}

PathNumberRequest read_path_number(JuteReader& in) {
  PathNumberRequest request;
  request.path = in.path();
  request.number = in.i32();
  return request;
}

std::optional<Request> read_request_body(OpCode op, JuteReader& in) {
  switch (op) {
    case OpCode::ping:
    case OpCode::close_session:
    case OpCode::who_am_i: return EmptyRequest{};
    case OpCode::create:
    case OpCode::create2:
    case OpCode::create_container: return read_create(in, false);
    case OpCode::create_ttl: return read_create(in, true);
    case OpCode::remove: return read_path_version(in);
    case OpCode::set_data: return read_set_data(in);
    case OpCode::set_acl: return read_set_acl(in);
    case OpCode::exists:
    case OpCode::get_data:
    case OpCode::get_children:
    case OpCode::get_children2: return read_path_watch(in);
    case OpCode::get_acl:
    case OpCode::sync:
    case OpCode::get_all_children_number: return PathRequest{in.path()};
    case OpCode::get_ephemerals: return PathRequest{in.string()};  // null means all
    case OpCode::check_watches:
    case OpCode::remove_watches:
    case OpCode::add_watch: return read_path_number(in);
    case OpCode::set_watches: return read_set_watches(in, false);
    case OpCode::set_watches2: return read_set_watches(in, true);
    case OpCode::auth: return read_auth(in);
    case OpCode::sasl: return SaslRequest{in.buffer()};
    case OpCode::reconfig: return read_reconfig(in);
    case OpCode::multi: return read_multi(in);
    case OpCode::multi_read: return read_multi_read(in);
    case OpCode::notification:
    case OpCode::check:
    case OpCode::delete_container:
    case OpCode::create_session:
    case OpCode::error: break;
  }
  return std::nullopt;
}

}  // namespace

Bytes encode_request_body(OpCode op, const Request& request) {
  JuteWriter out;
  std::visit(RequestWriter{out, op}, request);
  return out.take();
}

Bytes encode_request(const RequestHeader& header, const Request& request) {
  JuteWriter out;
  out.i32(header.xid);
  out.i32(header.type);
  std::visit(RequestWriter{out, static_cast<OpCode>(header.type)}, request);
  return out.take();
}

Result<Request> decode_request_body(OpCode op, ByteView body) {
  JuteReader in(body);
  std::optional<Request> request = read_request_body(op, in);
  if (!request.has_value()) {
    return Error{ErrorCode::malformed, "request: unknown opcode"};
  }
  if (!in.ok()) {
    return Error{ErrorCode::malformed, std::string("request: malformed ") + to_string(op)};
  }
  return std::move(*request);
}

std::optional<ByteView> plain_get_data_path(const RequestHeader& header, ByteView body) {
  if (header.type != static_cast<std::int32_t>(OpCode::get_data)) {
    return std::nullopt;
  }
  JuteReader in(body);
  const ByteView path = in.path_view();
  const bool watch = in.boolean();
  return in.ok() && !watch ? std::optional<ByteView>(path) : std::nullopt;
}

bool is_known_request(std::int32_t number) {
  const auto op = static_cast<OpCode>(number);
  switch (op) {
    case OpCode::notification:
    case OpCode::check:             // only inside a multi
    case OpCode::delete_container:  // the leader's alone
    case OpCode::create_session:    // idem
    case OpCode::error: return false;
    case OpCode::get_data:
    case OpCode::set_data:
    case OpCode::exists:
    case OpCode::ping: return true;  // the most frequent ones
    default: return std::string_view(to_string(op)) != "unknown";
  }
}

}  // namespace synod::zkwire
