#include "sim/coordination/client.h"

#include <utility>

namespace synod::sim::coordination {

using zkwire::EventType;
using zkwire::OpCode;

Client::Client(SimProcess& process, History& history, ClientListener& listener,
               ClientOptions options)
    : process_(process),
      lane_(process.main_lane()),
      history_(history),
      listener_(listener),
      options_(std::move(options)),
      prng_(lane_.entropy().next()) {
  dial_later();
}

Client::~Client() = default;

Step Client::make_step(Step::Kind kind) const {
  Step step;
  step.kind = kind;
  step.at = process_.world().here();
  step.client = options_.number;
  step.session = session_;
  step.connection = connection_;
  return step;
}

void Client::complain(const std::string& what) {
  history_.complaints.push_back("client " + std::to_string(options_.number) + ": " + what);
  disconnect();
}

void Client::dial_later() {
  state_ = State::idle;
  const auto delay = Duration::nanos(prng_.between(0, options_.reconnect_delay_max.nanos()));
  lane_.after(delay, connection_scope_.wrap([this] { dial(); }));
}

void Client::dial() {
  state_ = State::dialling;
  ports::DialOptions dial_options;
  dial_options.timeout = Duration::millis(options_.session_timeout_ms / 4);
  const ports::Address& server =
      options_.servers[static_cast<std::size_t>(prng_.below(options_.servers.size()))];
  dial_ = process_.network().dial(lane_, server, dial_options,
                                  [this](Result<std::unique_ptr<ports::Stream>> result) {
                                    if (!result.ok()) {
                                      dial_later();
                                      return;
                                    }
                                    greet(std::move(result).value());
                                  });
}

void Client::greet(std::unique_ptr<ports::Stream> stream) {
  state_ = State::greeting;
  stream_ = std::move(stream);
  reader_ = zkwire::FrameReader(16 << 20);
  connection_ = history_.connection_next++;
  heard_at_ = lane_.now();
  stream_->attach(lane_, *this);
  zkwire::ConnectRequest request;
  request.last_zxid_seen = last_zxid_;
  request.timeout_ms = options_.session_timeout_ms;
  request.session_id = session_;
  request.password = password_;
  request.read_only = false;
  stream_->write(zkwire::frame(zkwire::encode(request)));
  ping();
}

// Pings while ready, and gives up on a silent server in any state.
void Client::ping() {
  const Duration third = Duration::millis(options_.session_timeout_ms / 3);
  if (lane_.now() - heard_at_ > third * 2) {
    disconnect();
    return;
  }
  if (state_ == State::ready) {
    waiting_.push_back({zkwire::xid_ping, true, OpCode::ping, 0});
    stream_->write(zkwire::frame(zkwire::encode_request(
        {zkwire::xid_ping, static_cast<std::int32_t>(OpCode::ping)}, zkwire::EmptyRequest{})));
  }
  lane_.after(third / 2, connection_scope_.wrap([this] { ping(); }));
}

void Client::submit(OpCode op, zkwire::Request request, std::string tag) {
  SYNOD_CHECK(ready());
  const std::int32_t xid = xid_next_++;
  Bytes body = zkwire::encode_request({xid, static_cast<std::int32_t>(op)}, request);
  Operation operation;
  operation.client = options_.number;
  operation.session = session_;
  operation.connection = connection_;
  operation.op = op;
  operation.request = std::move(request);
  operation.tag = std::move(tag);
  Step step = make_step(Step::Kind::invoke);
  step.operation = history_.operations.size();
  operation.invoked_step = history_.add(std::move(step));
  history_.operations.push_back(std::move(operation));
  waiting_.push_back({xid, false, op, history_.operations.size() - 1});
  stream_->write(zkwire::frame(body));
}

void Client::drop_connection() {
  if (stream_ != nullptr) {
    disconnect();
  }
}

void Client::stop() {
  if (stream_ != nullptr) {
    disconnect();
  }
  connection_scope_.reset();
  dial_.reset();
  state_ = State::stopped;
}

void Client::on_bytes(ByteView bytes) {
  heard_at_ = lane_.now();
  reader_.feed(bytes);
  // Handlers may drop the connection: the stream is then gone, and the reader is a new one.
  const std::uint64_t connection = connection_;
  while (stream_ != nullptr && connection == connection_) {
    std::optional<Bytes> body = reader_.next();
    if (!body) {
      if (reader_.bad()) {
        disconnect();
      }
      return;
    }
    if (state_ == State::greeting) {
      heard_greeting(*body);
    } else {
      heard_reply(*body);
    }
  }
}

void Client::on_eof() { disconnect(); }
void Client::on_closed(const Error&) { disconnect(); }

void Client::disconnect() {
  const bool was_ready = state_ == State::ready;
  connection_scope_.reset();
  waiting_.clear();
  dial_.reset();
  // Destroyed later: this may be a call of the stream's own.
  lane_.after(Duration(), [stream = std::move(stream_)] {});
  stream_ = nullptr;
  dial_later();
  if (was_ready) {
    history_.add(make_step(Step::Kind::disconnected));
    listener_.on_lost();
  }
}

void Client::heard_greeting(ByteView body) {
  const auto response = zkwire::decode_connect_response(body);
  if (!response.ok()) {
    disconnect();
    return;
  }
  if (response->timeout_ms <= 0) {
    history_.add(make_step(Step::Kind::expired));
    forget_session();
    disconnect();
    return;
  }
  const bool fresh = session_ == 0;
  session_ = response->session_id;
  password_ = response->password;
  state_ = State::ready;
  Step step = make_step(Step::Kind::connected);
  step.fresh = fresh;
  step.timeout_ms = response->timeout_ms;
  history_.add(std::move(step));
  send_watches();
  listener_.on_ready();
}

void Client::send_watches() {
  if (data_watches_.empty() && exist_watches_.empty() && child_watches_.empty()) {
    return;
  }
  zkwire::SetWatchesRequest request;
  request.relative_zxid = last_zxid_;
  request.data_watches.assign(data_watches_.begin(), data_watches_.end());
  request.exist_watches.assign(exist_watches_.begin(), exist_watches_.end());
  request.child_watches.assign(child_watches_.begin(), child_watches_.end());
  Step step = make_step(Step::Kind::watches_sent);
  step.zxid = last_zxid_;
  history_.add(std::move(step));
  waiting_.push_back({zkwire::xid_set_watches, true, OpCode::set_watches, 0});
  stream_->write(zkwire::frame(zkwire::encode_request(
      {zkwire::xid_set_watches, static_cast<std::int32_t>(OpCode::set_watches)}, request)));
}

void Client::heard_reply(ByteView body) {
  ByteView rest = body;
  const auto header = zkwire::decode_reply_header(rest);
  if (!header.ok()) {
    disconnect();
    return;
  }
  if (header->xid == zkwire::xid_notification) {
    heard_event(header->zxid, rest);
    return;
  }
  if (waiting_.empty() || waiting_.front().xid != header->xid) {
    complain("a reply with xid " + std::to_string(header->xid) + " out of order");
    return;
  }
  const Waiting waiting = waiting_.front();
  waiting_.pop_front();
  last_zxid_ = std::max(last_zxid_, header->zxid);
  if (!waiting.own) {
    complete(waiting, *header, rest);
  } else if (waiting.op == OpCode::set_watches) {
    Step step = make_step(Step::Kind::watches_done);
    step.zxid = header->zxid;
    history_.add(std::move(step));
  }
}

void Client::complete(const Waiting& waiting, const zkwire::ReplyHeader& header, ByteView rest) {
  Operation& operation = history_.operations[waiting.operation];
  operation.header = header;
  if (header.err == 0) {
    auto reply = zkwire::decode_reply_body(waiting.op, rest);
    if (!reply.ok()) {
      complain("a reply that does not decode: " + to_string(reply.error()));
      return;
    }
    operation.reply = std::move(reply).value();
  }
  Step step = make_step(Step::Kind::complete);
  step.session = operation.session;
  step.operation = waiting.operation;
  operation.completed_step = history_.add(std::move(step));
  remember_watch(operation);
  if (waiting.op == OpCode::close_session) {
    forget_session();
  }
  // A copy: the listener may submit, which moves the operations.
  const Operation copy = operation;
  if (history_.on_completed) {
    history_.on_completed(copy);
  }
  listener_.on_reply(copy);
}

void Client::forget_session() {
  session_ = 0;
  password_ = Bytes(16, '\0');
  data_watches_.clear();
  exist_watches_.clear();
  child_watches_.clear();
}

void Client::remember_watch(const Operation& operation) {
  const auto* request = std::get_if<zkwire::PathWatchRequest>(&operation.request);
  if (request == nullptr || !request->watch) {
    return;
  }
  const bool missing = operation.header.err == static_cast<std::int32_t>(zkwire::Code::no_node);
  if (operation.op == OpCode::exists && missing) {
    exist_watches_.insert(request->path);
  } else if (operation.header.err == 0) {
    const bool children =
        operation.op == OpCode::get_children || operation.op == OpCode::get_children2;
    (children ? child_watches_ : data_watches_).insert(request->path);
  }
}

void Client::forget_watch(const zkwire::WatcherEvent& event) {
  switch (event.type) {
    case EventType::node_created:
    case EventType::node_data_changed:
      data_watches_.erase(event.path);
      exist_watches_.erase(event.path);
      break;
    case EventType::node_children_changed: child_watches_.erase(event.path); break;
    case EventType::node_deleted:
      data_watches_.erase(event.path);
      exist_watches_.erase(event.path);
      child_watches_.erase(event.path);
      break;
    case EventType::none: break;
  }
}

void Client::heard_event(std::int64_t zxid, ByteView body) {
  const auto event = zkwire::decode_event_body(body);
  if (!event.ok()) {
    complain("an event that does not decode");
    return;
  }
  Step step = make_step(Step::Kind::event);
  step.zxid = zxid;
  step.event = *event;
  history_.add(std::move(step));
  forget_watch(*event);
  listener_.on_event(*event);
}

}  // namespace synod::sim::coordination
