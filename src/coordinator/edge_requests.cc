// What an Edge does with each kind of request.
#include <algorithm>
#include <limits>

#include "base/check.h"
#include "coordinator/authentication.h"
#include "coordinator/edge_connection.h"
#include "coordinator/state_limit.h"
#include "znode/reads.h"

namespace synod::coordinator {
namespace {

using zkwire::Code;
using zkwire::OpCode;
using znode::ReadResult;
using znode::WatchTable;

// A quarter of a millisecond's work: then others have their turn.
constexpr std::size_t restored_in_a_turn = 256;
// Bounds what one connection can make every write of its carry.
constexpr std::size_t identities_max = 64;

// What shows the tree, so that its age matters.
bool reads_tree(OpCode op) {
  switch (op) {
    case OpCode::exists:
    case OpCode::get_data:
    case OpCode::get_acl:
    case OpCode::get_children:
    case OpCode::get_children2:
    case OpCode::get_all_children_number:
    case OpCode::get_ephemerals:
    case OpCode::multi_read: return true;
    default: return false;
  }
}

bool is_write(OpCode op) {
  switch (op) {
    case OpCode::create:
    case OpCode::create2:
    case OpCode::create_container:
    case OpCode::create_ttl:
    case OpCode::remove:
    case OpCode::set_data:
    case OpCode::set_acl:
    case OpCode::multi:
    case OpCode::reconfig:
    case OpCode::close_session: return true;
    default: return false;
  }
}

// A read under way: everything it may look at and change.
struct ReadContext {
  const znode::State& state;
  znode::Reader reader;
  WatchTable& watches;
  Edge::ConnectionId connection;
  SessionId session;
  const std::vector<zkwire::Id>& identities;
};

// Watches of an earlier connection, set again here.
struct Restoration {
  const znode::Tree& tree;
  WatchTable& watches;
  Edge::ConnectionId connection;
  std::int64_t relative_zxid;  // what the client has seen
  Bytes events;                // frames of what has happened since: they come before the reply
};

ReadResult failed(Code code) { return {code, zkwire::EmptyReply{}}; }

void watch(ReadContext& context, WatchTable::Kind kind, const std::string& path) {
  context.watches.add(kind, path, context.connection);
}

ReadResult read_path_watch(ReadContext& context, OpCode op,
                           const zkwire::PathWatchRequest& request) {
  ReadResult result;
  WatchTable::Kind kind = WatchTable::Kind::child;
  if (op == OpCode::exists) {
    result = read_exists(context.state, request.path, context.reader);
    kind = WatchTable::Kind::data;
  } else if (op == OpCode::get_data) {
    result = read_data(context.state, request.path, context.reader);
    kind = WatchTable::Kind::data;
  } else if (op == OpCode::get_children) {
    result = read_children(context.state, request.path, context.reader);
  } else {
    result = read_children2(context.state, request.path, context.reader);
  }
  const bool missing_counts = op == OpCode::exists && result.code == Code::no_node;
  if (request.watch && (result.code == Code::ok || missing_counts)) {
    watch(context, kind, request.path);
  }
  return result;
}

void catch_up(Restoration& r, zkwire::EventType type, const std::string& path) {
  constexpr std::int64_t no_zxid = -1;
  r.events += zkwire::frame(
      zkwire::encode_event(no_zxid, {type, zkwire::KeeperState::sync_connected, path}));
}

void restore_data_watch(Restoration& r, const std::string& path) {
  const znode::Node* node = r.tree.find(path);
  if (node == nullptr) {
    catch_up(r, zkwire::EventType::node_deleted, path);
  } else if (node->mzxid > r.relative_zxid) {
    catch_up(r, zkwire::EventType::node_data_changed, path);
  } else {
    r.watches.add(WatchTable::Kind::data, path, r.connection);
  }
}

void restore_exist_watch(Restoration& r, const std::string& path) {
  if (r.tree.find(path) != nullptr) {
    catch_up(r, zkwire::EventType::node_created, path);
  } else {
    r.watches.add(WatchTable::Kind::data, path, r.connection);
  }
}

void restore_child_watch(Restoration& r, const std::string& path) {
  const znode::Node* node = r.tree.find(path);
  if (node == nullptr) {
    catch_up(r, zkwire::EventType::node_deleted, path);
  } else if (node->pzxid() > r.relative_zxid) {
    catch_up(r, zkwire::EventType::node_children_changed, path);
  } else {
    r.watches.add(WatchTable::Kind::child, path, r.connection);
  }
}

std::size_t watches_in(const zkwire::SetWatchesRequest& q) {
  return q.data_watches.size() + q.exist_watches.size() + q.child_watches.size() +
         q.persistent_watches.size() + q.persistent_recursive_watches.size();
}

// The watch that is number `at` of all lists: set, or told at once if what it waits for has
// happened.
void restore_watch(Restoration& r, const zkwire::SetWatchesRequest& q, std::size_t at) {
  if (at < q.data_watches.size()) {
    return restore_data_watch(r, q.data_watches[at]);
  }
  at -= q.data_watches.size();
  if (at < q.exist_watches.size()) {
    return restore_exist_watch(r, q.exist_watches[at]);
  }
  at -= q.exist_watches.size();
  if (at < q.child_watches.size()) {
    return restore_child_watch(r, q.child_watches[at]);
  }
  at -= q.child_watches.size();
  if (at < q.persistent_watches.size()) {
    return r.watches.add(WatchTable::Kind::persistent, q.persistent_watches[at], r.connection);
  }
  at -= q.persistent_watches.size();
  r.watches.add(WatchTable::Kind::persistent_recursive, q.persistent_recursive_watches[at],
                r.connection);
}

ReadResult change_watches(ReadContext& context, OpCode op,
                          const zkwire::PathNumberRequest& request) {
  if (op == OpCode::add_watch) {
    if (request.number != 0 && request.number != 1) {
      return failed(Code::marshalling_error);
    }
    watch(
        context,
        request.number == 0 ? WatchTable::Kind::persistent : WatchTable::Kind::persistent_recursive,
        request.path);
    return {Code::ok, zkwire::NumberReply{0}};
  }
  if (request.number < static_cast<std::int32_t>(WatchTable::Type::children) ||
      request.number > static_cast<std::int32_t>(WatchTable::Type::persistent_recursive)) {
    return failed(Code::marshalling_error);
  }
  const auto type = static_cast<WatchTable::Type>(request.number);
  const bool found = op == OpCode::remove_watches
                         ? context.watches.remove(type, request.path, context.connection)
                         : context.watches.contains(type, request.path, context.connection);
  return found ? ReadResult{} : failed(Code::no_watcher);
}

ReadResult who_am_i(const ReadContext& context) {
  zkwire::WhoAmIReply reply;
  for (const zkwire::Id& id : context.identities) {
    reply.clients.push_back({id.scheme, user_of(id)});
  }
  return {Code::ok, std::move(reply)};
}

ReadResult read(ReadContext& context, OpCode op, const zkwire::Request& request) {
  switch (op) {
    case OpCode::ping: return {};
    case OpCode::who_am_i: return who_am_i(context);
    case OpCode::exists:
    case OpCode::get_data:
    case OpCode::get_children:
    case OpCode::get_children2:
      return read_path_watch(context, op, std::get<zkwire::PathWatchRequest>(request));
    case OpCode::get_acl:
      return read_acl(context.state, std::get<zkwire::PathRequest>(request).path, context.reader);
    case OpCode::get_all_children_number:
      return read_all_children_number(context.state, std::get<zkwire::PathRequest>(request).path,
                                      context.reader);
    case OpCode::get_ephemerals:
      return read_ephemerals(context.state, context.session,
                             std::get<zkwire::PathRequest>(request).path);
    case OpCode::multi_read:
      return read_multi(context.state, std::get<zkwire::MultiReadRequest>(request), context.reader);
    case OpCode::add_watch:
    case OpCode::check_watches:
    case OpCode::remove_watches:
      return change_watches(context, op, std::get<zkwire::PathNumberRequest>(request));
    default: SYNOD_UNREACHABLE("a request that is no read");
  }
}

}  // namespace

void EdgeConnection::take_request(const zkwire::RequestHeader& header, ByteView body) {
  const auto op = static_cast<OpCode>(header.type);
  if (!zkwire::is_known_request(header.type)) {
    constexpr std::int64_t no_zxid = -1;
    push_ready(header, no_zxid, Code::unimplemented, zkwire::EmptyReply{}, true);
  } else if (is_write(op)) {
    take_write(header, body);
  } else if (op == OpCode::auth) {
    take_auth(header, body);
  } else if (op == OpCode::sasl) {
    // No SASL mechanism is configured: told as a failed exchange.
    push_ready(header, 0, Code::auth_failed, zkwire::SaslReply{}, true);
  } else if (op == OpCode::sync) {
    take_sync(header, body);
  } else if (edge_.options().linearizable_reads && reads_tree(op)) {
    take_barred(header, body);
  } else if (pending_.empty()) {
    run_read(header, body);  // it is the head
    sent_reply(heard_);
    edge_.stats().read.add(edge_.turn() - heard_);
  } else if (edge_.options().planted == PlantedBug::read_before_own_write) {
    Bytes before;
    std::swap(before, out_);
    run_read(header, body);
    std::swap(before, out_);
    Pending pending;
    pending.header = header;
    pending.payload = std::move(before);
    pending.since = heard_;
    push(std::move(pending), 0);
  } else {
    Pending pending;
    pending.kind = Pending::Kind::deferred;
    pending.header = header;
    pending.payload = Bytes(body);
    pending.since = heard_;
    push(std::move(pending), body.size());
    ++pending_reads_;
  }
}

void EdgeConnection::take_write(const zkwire::RequestHeader& header, ByteView body) {
  const auto op = static_cast<OpCode>(header.type);
  Result<zkwire::Request> request = zkwire::decode_request_body(op, body);
  if (!request.ok()) {
    push_write(header, op, znode::FailWrite{Code::marshalling_error});
  } else if (op == OpCode::close_session) {
    push_write(header, op, znode::CloseSession{});
  } else if (op == OpCode::reconfig) {
    if (const Code code = edge_.options().reconfig; code != Code::ok) {
      push_write(header, op, znode::FailWrite{code});
    } else {
      push_write(header, op,
                 znode::Reconfigure{std::get<zkwire::ReconfigRequest>(std::move(request).value())});
    }
  } else {
    take_client_write(header, {op, std::move(request).value()}, body.size());
  }
}

void EdgeConnection::take_client_write(const zkwire::RequestHeader& header,
                                       znode::ClientWrite write, std::size_t size_bytes) {
  std::int64_t growth = 0;
  if (edge_.near_state_limit(size_bytes)) {
    edge_.with_state([&](const znode::State& state) { growth = growth_of(state, write); });
    if (phase_ != Phase::open) {
      return;
    }
  }
  if (growth > 0) {
    ++edge_.stats().writes_refused;
    push_write(header, write.op, znode::FailWrite{state_limit_code});
  } else {
    const OpCode op = write.op;
    push_write(header, op, std::move(write));
  }
}

void EdgeConnection::take_auth(const zkwire::RequestHeader& header, ByteView body) {
  const zkwire::RequestHeader reply{zkwire::xid_auth, header.type};
  const Result<zkwire::Request> request = zkwire::decode_request_body(OpCode::auth, body);
  std::optional<std::vector<zkwire::Id>> ids;
  if (request.ok()) {
    ids = authenticate(std::get<zkwire::AuthRequest>(request.value()), host_,
                       {edge_.options().digest_enabled, edge_.options().super_digest});
  }
  if (!ids.has_value() || identities_.size() + ids->size() > identities_max) {
    ++edge_.stats().auth_failed;
    push_ready(reply, 0, Code::auth_failed, zkwire::EmptyReply{}, true);
    return;
  }
  // At once, so that what was sent behind it has them; the reply keeps its place.
  for (zkwire::Id& id : *ids) {
    if (std::find(identities_.begin(), identities_.end(), id) == identities_.end()) {
      identities_.push_back(std::move(id));
    }
  }
  push_ready(reply, 0, Code::ok, zkwire::EmptyReply{}, false);
}

void EdgeConnection::take_sync(const zkwire::RequestHeader& header, ByteView body) {
  Result<zkwire::Request> request = zkwire::decode_request_body(OpCode::sync, body);
  if (!request.ok()) {
    push_ready(header, last_zxid_, Code::marshalling_error, zkwire::EmptyReply{}, false);
    return;
  }
  Pending pending;
  pending.kind = Pending::Kind::sync;
  pending.header = header;
  pending.payload = std::move(std::get<zkwire::PathRequest>(request.value()).path);
  pending.number = edge_.open_ticket(id_);
  pending.since = heard_;
  const std::uint64_t ticket = pending.number;
  push(std::move(pending), body.size());
  ++pending_reads_;
  send_sync(ticket);
}

// A read that must show all that was answered anywhere before it was asked.
void EdgeConnection::take_barred(const zkwire::RequestHeader& header, ByteView body) {
  const bool asks = shared_ticket_ == 0;
  if (asks) {
    shared_ticket_ = edge_.open_ticket(id_);
  }
  Pending pending;
  pending.kind = Pending::Kind::barred;
  pending.header = header;
  pending.payload = Bytes(body);
  pending.number = shared_ticket_;
  pending.since = heard_;
  push(std::move(pending), body.size());
  ++pending_reads_;
  if (asks) {
    send_sync(shared_ticket_);
  }
}

void EdgeConnection::send_sync(std::uint64_t ticket) {
  if (phase_ == Phase::open && !edge_.submit(SyncRequest{edge_.options().index, ticket})) {
    synced({ticket, false});  // asks again a little later
  }
}

// getData without a watch, which is most of what a coordination service does: answered from the
// frame and the tree without anything in between. False: anything else.
bool EdgeConnection::run_plain_read(const zkwire::RequestHeader& header, ByteView body) {
  const std::optional<ByteView> path = zkwire::plain_get_data_path(header, body);
  if (!path.has_value()) {
    return false;
  }
  edge_.with_state([&](const znode::State& state) {
    if (phase_ != Phase::open) {
      return;
    }
    last_zxid_ = state.last_zxid().value();
    mark_dirty();
    const znode::DataView view = view_data(state, *path, {identities_, edge_.switches()});
    const zkwire::ReplyHeader reply{header.xid, last_zxid_, static_cast<std::int32_t>(view.code)};
    if (view.code == Code::ok) {
      zkwire::append_data_reply(out_, reply, view.data, view.stat);
    } else {
      zkwire::append_reply(out_, reply, zkwire::EmptyReply{});
    }
  });
  return true;
}

void EdgeConnection::run_read(const zkwire::RequestHeader& header, ByteView body) {
  if (run_plain_read(header, body)) {
    return;
  }
  const auto op = static_cast<OpCode>(header.type);
  Result<zkwire::Request> request = zkwire::decode_request_body(op, body);
  if (request.ok() && (op == OpCode::set_watches || op == OpCode::set_watches2)) {
    restore_ = std::make_unique<Restore>();
    restore_->xid = header.xid;
    restore_->request = std::move(std::get<zkwire::SetWatchesRequest>(request.value()));
    restore_some();
    return;
  }
  ReadResult result = failed(Code::marshalling_error);
  std::int64_t zxid = 0;
  edge_.with_state([&](const znode::State& state) {
    if (phase_ != Phase::open) {
      return;
    }
    zxid = state.last_zxid().value();
    if (request.ok()) {
      ReadContext context{
          state, {identities_, edge_.switches()}, edge_.watches(), id_, session_, identities_};
      result = read(context, op, request.value());
    }
  });
  if (phase_ == Phase::open) {
    // Clients find pings by this number, whatever they sent.
    reply_now(op == OpCode::ping ? zkwire::xid_ping : header.xid, zxid, result.code, result.reply);
  }
}

void EdgeConnection::reply_now(std::int32_t xid, std::int64_t zxid, Code code,
                               const zkwire::Reply& reply) {
  last_zxid_ = zxid;
  mark_dirty();
  zkwire::append_reply(out_, {xid, zxid, static_cast<std::int32_t>(code)}, reply);
}

// Each watch by itself is set, or found to have happened, in one state. Between two turns the state
// may change: what is set already fires as usual.
void EdgeConnection::restore_some() {
  const zkwire::SetWatchesRequest& request = restore_->request;
  const std::size_t total = watches_in(request);
  const std::int64_t seen = edge_.options().planted == PlantedBug::watch_lost_on_reconnect
                                ? std::numeric_limits<std::int64_t>::max()
                                : request.relative_zxid;
  Bytes events;
  std::int64_t zxid = 0;
  edge_.with_state([&](const znode::State& state) {
    if (phase_ != Phase::open) {
      return;
    }
    zxid = state.last_zxid().value();
    Restoration restoration{state.tree(), edge_.watches(), id_, seen, {}};
    const std::size_t end = std::min(restore_->done + restored_in_a_turn, total);
    for (; restore_->done < end; ++restore_->done) {
      restore_watch(restoration, request, restore_->done);
    }
    events = std::move(restoration.events);
  });
  if (phase_ != Phase::open) {
    restore_.reset();
    return;
  }
  put(events);
  if (restore_->done < total) {
    edge_.run_later(id_);
    return;
  }
  const std::int32_t xid = restore_->xid;
  restore_.reset();
  reply_now(xid, zxid, Code::ok, zkwire::EmptyReply{});
}

}  // namespace synod::coordinator
