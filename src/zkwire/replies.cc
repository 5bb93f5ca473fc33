// Reply bodies, multi's included.
#include "zkwire/frame.h"
#include "zkwire/jute.h"

namespace synod::zkwire {
namespace {

void write_multi_result(JuteWriter& out, const MultiResult& result) {
  out.i32(static_cast<std::int32_t>(result.type));
  out.boolean(false);
  out.i32(static_cast<std::int32_t>(result.code));
  switch (result.type) {
    case OpCode::error: out.i32(static_cast<std::int32_t>(result.code)); return;
    case OpCode::create: out.string(result.path); return;
    case OpCode::create2:
      out.string(result.path);
      out.stat(result.stat);
      return;
    case OpCode::set_data: out.stat(result.stat); return;
    case OpCode::get_data:
      out.buffer(result.data);
      out.stat(result.stat);
      return;
    case OpCode::get_children: out.strings(result.children); return;
    default: return;  // delete and check have no body
  }
}

bool read_multi_result(JuteReader& in, MultiResult& result) {
  switch (result.type) {
    case OpCode::error: result.code = static_cast<Code>(in.i32()); return true;
    case OpCode::create: result.path = in.string(); return true;
    case OpCode::create2:
      result.path = in.string();
      result.stat = in.stat();
      return true;
    case OpCode::set_data: result.stat = in.stat(); return true;
    case OpCode::get_data:
      result.data = in.buffer();
      result.stat = in.stat();
      return true;
    case OpCode::get_children: result.children = in.strings(); return true;
    case OpCode::remove:
    case OpCode::check: return true;
    default: return false;
  }
}

MultiReply read_multi_reply(JuteReader& in) {
  MultiReply reply;
  for (;;) {
    MultiResult result;
    result.type = static_cast<OpCode>(in.i32());
    const bool done = in.boolean();
    result.code = static_cast<Code>(in.i32());
    if (done || !in.ok()) {
      return reply;
    }
    if (!read_multi_result(in, result) || !in.ok()) {
      in.fail();
      return reply;
    }
    reply.results.push_back(std::move(result));
  }
}

struct ReplyWriter {
  JuteWriter& out;

  void operator()(const EmptyReply&) const {}
  void operator()(const PathReply& r) const { out.string(r.path); }
  void operator()(const PathStatReply& r) const {
    out.string(r.path);
    out.stat(r.stat);
  }
  void operator()(const StatReply& r) const { out.stat(r.stat); }
  void operator()(const DataReply& r) const {
    out.buffer(r.data);
    out.stat(r.stat);
  }
  void operator()(const AclReply& r) const {
    out.acl(r.acl);
    out.stat(r.stat);
  }
  void operator()(const ChildrenReply& r) const { out.strings(r.children); }
  void operator()(const ChildrenStatReply& r) const {
    out.strings(r.children);
    out.stat(r.stat);
  }
  void operator()(const NumberReply& r) const { out.i32(r.number); }
  void operator()(const WhoAmIReply& r) const {
    out.i32(static_cast<std::int32_t>(r.clients.size()));
    for (const ClientInfo& client : r.clients) {
      out.string(client.scheme);
      out.string(client.user);
    }
  }
  void operator()(const SaslReply& r) const { out.buffer(r.token); }
  void operator()(const MultiReply& r) const {
    for (const MultiResult& result : r.results) {
      write_multi_result(out, result);
    }
    out.i32(-1);
    out.boolean(true);
    out.i32(-1);
  }
};

PathStatReply read_path_stat(JuteReader& in) {
  PathStatReply reply;
  reply.path = in.string();
  reply.stat = in.stat();
  return reply;
}

DataReply read_data(JuteReader& in) {
  DataReply reply;
  reply.data = in.buffer();
  reply.stat = in.stat();
  return reply;
}

AclReply read_acl(JuteReader& in) {
  AclReply reply;
  reply.acl = in.acl();
  reply.stat = in.stat();
  return reply;
}

ChildrenStatReply read_children_stat(JuteReader& in) {
  ChildrenStatReply reply;
  reply.children = in.strings();
  reply.stat = in.stat();
  return reply;
}

WhoAmIReply read_who_am_i(JuteReader& in) {
  WhoAmIReply reply;
  for (std::int32_t n = in.i32(); n > 0 && in.ok(); --n) {
    ClientInfo client;
    client.scheme = in.string();
    client.user = in.string();
    reply.clients.push_back(std::move(client));
  }
  return reply;
}

Reply read_reply_body(OpCode op, JuteReader& in) {
  switch (op) {
    case OpCode::create:
    case OpCode::sync: return PathReply{in.string()};
    case OpCode::create2:
    case OpCode::create_container:
    case OpCode::create_ttl: return read_path_stat(in);
    case OpCode::exists:
    case OpCode::set_data:
    case OpCode::set_acl: return StatReply{in.stat()};
    case OpCode::get_data:
    case OpCode::reconfig: return read_data(in);
    case OpCode::get_acl: return read_acl(in);
    case OpCode::get_children:
    case OpCode::get_ephemerals: return ChildrenReply{in.strings()};
    case OpCode::get_children2: return read_children_stat(in);
    case OpCode::get_all_children_number:
    case OpCode::add_watch: return NumberReply{in.i32()};
    case OpCode::who_am_i: return read_who_am_i(in);
    case OpCode::sasl: return SaslReply{in.buffer()};
    case OpCode::multi:
    case OpCode::multi_read: return read_multi_reply(in);
    default: return EmptyReply{};
  }
}

}  // namespace

namespace {

void write_header(JuteWriter& out, const ReplyHeader& header) {
  out.i32(header.xid);
  out.i64(header.zxid);
  out.i32(header.err);
}

void write_reply(JuteWriter& out, const ReplyHeader& header, const Reply& reply) {
  write_header(out, header);
  // A failed SASL exchange is the one error that has a body.
  if (header.err == 0 || std::holds_alternative<SaslReply>(reply)) {
    std::visit(ReplyWriter{out}, reply);
  }
}

}  // namespace

Bytes encode_reply(const ReplyHeader& header, const Reply& reply) {
  JuteWriter out;
  write_reply(out, header, reply);
  return out.take();
}

void append_reply(Bytes& out, const ReplyHeader& header, const Reply& reply) {
  JuteWriter writer(std::move(out));
  const std::size_t at = writer.begin_frame();
  write_reply(writer, header, reply);
  writer.end_frame(at);
  out = writer.take();
}

void append_data_reply(Bytes& out, const ReplyHeader& header, std::optional<ByteView> data,
                       const Stat& stat) {
  JuteWriter writer(std::move(out));
  const std::size_t at = writer.begin_frame();
  write_header(writer, header);
  if (data.has_value()) {
    writer.string(*data);
  } else {
    writer.i32(-1);
  }
  writer.stat(stat);
  writer.end_frame(at);
  out = writer.take();
}

Result<Reply> decode_reply_body(OpCode op, ByteView body) {
  JuteReader in(body);
  Reply reply = read_reply_body(op, in);
  if (!in.ok()) {
    return Error{ErrorCode::malformed, std::string("reply: malformed ") + to_string(op)};
  }
  return reply;
}

}  // namespace synod::zkwire
