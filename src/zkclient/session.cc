#include "zkclient/session.h"

#include <algorithm>

#include "base/check.h"

namespace synod::zkclient {
namespace {

using zkwire::Code;
using zkwire::OpCode;

constexpr std::size_t password_size = 16;
// Renewed watches go out in requests that stay far below any server's frame limit.
constexpr std::size_t renewal_size_max = 128 << 10;
// A connection that lasted this long was a good one: the next search begins without a pause.
constexpr Duration steady_after = Duration::seconds(1);
constexpr Duration hurried_timeout = Duration::millis(300);

}  // namespace

Client::Session::Session(ports::Lane& lane, ports::Network& network, ClientOptions options,
                         OnState on_state)
    : lane_(lane),
      network_(network),
      options_(std::move(options)),
      on_state_(std::move(on_state)),
      dialler_(lane_, network_, options_,
               [this](std::unique_ptr<ports::Stream> stream) { on_connected(std::move(stream)); }),
      timeout_(options_.session_timeout) {
  if (options_.attach) {
    credentials_ = *options_.attach;
  }
  if (!options_.connect.digest.empty()) {
    auths_.push_back({{"digest", options_.connect.digest}, nullptr});
  }
  for (const Auth& auth : options_.auth) {
    auths_.push_back({auth, nullptr});
  }
}

void Client::Session::start() {
  connect();
  ticked_at_ = lane_.now();
  tick();
}

void Client::Session::abandon() {
  abandoned_ = true;
  scope_.reset();
  stream_scope_.reset();
  dialler_.stop();
  stream_.reset();
}

bool Client::Session::is_over() const {
  return state_ == State::expired || state_ == State::closed || state_ == State::auth_failed;
}

std::string Client::Session::server() const {
  return handshaken_ && stream_ != nullptr ? ports::to_string(stream_->peer().address) : "";
}

// --- connection

Duration Client::Session::dial_timeout() const {
  if (options_.dialling == Dialling::all_at_once) {
    return std::min(hurried_timeout, timeout_);
  }
  const auto servers = static_cast<std::int64_t>(options_.connect.servers.size());
  return std::max(timeout_ / servers, Duration::millis(100));
}

void Client::Session::connect() { dialler_.next(dial_timeout()); }

void Client::Session::on_connected(std::unique_ptr<ports::Stream> stream) {
  stream_ = std::move(stream);
  reader_ = zkwire::FrameReader(limits::zk_field_size_bytes_max);
  handshaken_ = false;
  stream_->attach(lane_, *this);
  zkwire::ConnectRequest request;
  request.last_zxid_seen = last_zxid_.value();
  request.timeout_ms = static_cast<std::int32_t>(options_.session_timeout.millis());
  request.session_id = credentials_.id.value();
  request.password =
      credentials_.password.empty() ? Bytes(password_size, '\0') : credentials_.password;
  request.read_only = false;
  handshake_at_ = lane_.now();
  heard_at_ = handshake_at_;
  sent_at_ = handshake_at_;
  stream_->write(zkwire::frame(zkwire::encode(request)));
  lane_.after(dial_timeout(), stream_scope_.wrap([this] {
    if (!handshaken_) {
      drop_connection("no answer to the handshake");
    }
  }));
}

void Client::Session::on_handshake(ByteView body) {
  const auto response = zkwire::decode_connect_response(body);
  if (!response.ok()) {
    drop_connection("a malformed handshake");
    return;
  }
  if (response->timeout_ms <= 0) {
    // Refused: the session has expired, or its close was carried out though its answer was lost.
    end(closing_ ? State::closed : State::expired, closing_ ? Code::ok : Code::session_expired);
    return;
  }
  handshaken_ = true;
  credentials_ = {SessionId(response->session_id), response->password};
  timeout_ = Duration::millis(response->timeout_ms);
  confirmed_at_ = handshake_at_;
  const std::weak_ptr<Session> self = weak_from_this();
  renew();
  set_state(State::connected);
  if (!self.expired() && !abandoned_) {
    pump();
  }
}

// What a new server must know before any request: who we are, and what we watch.
void Client::Session::renew() {
  auths_sent_.clear();
  for (std::size_t i = 0; i < auths_.size(); ++i) {
    send_auth(i);
  }
  for (const auto& request : watches_.renewals(last_zxid_.value(), renewal_size_max)) {
    send_frame(zkwire::xid_set_watches, OpCode::set_watches, request);
  }
}

void Client::Session::send_auth(std::size_t index) {
  const Auth& auth = auths_[index].auth;
  auths_sent_.push_back(index);
  send_frame(zkwire::xid_auth, OpCode::auth, zkwire::AuthRequest{0, auth.scheme, auth.auth});
}

// The connection is of no use: requests under way are lost, the session goes on elsewhere.
void Client::Session::drop_connection(const char* why) {
  if (stream_ == nullptr) {
    return;
  }
  // Later, since this may be inside one of its callbacks.
  stream_scope_.reset();
  lane_.after(Duration(), [kept = std::move(stream_)]() mutable { kept.reset(); });
  lose(why);
}

void Client::Session::lose(const char* why) {
  const bool was_connected = std::exchange(handshaken_, false);
  lane_.log().debug("zkclient", "session {:#x}: {}", credentials_.id.value(), why);
  pings_.clear();
  if (was_connected && lane_.now() - handshake_at_ > steady_after) {
    dialler_.settle();
  }
  connect();
  std::deque<Sent> sent = std::exchange(sent_, {});
  std::deque<Call> again;
  if (closing_) {
    // The close is asked again: a server that knows the session no more will refuse it.
    while (!sent.empty() && sent.back().call.op == OpCode::close_session) {
      again.push_front(std::move(sent.back().call));
      sent.pop_back();
    }
  }
  for (auto call = again.rbegin(); call != again.rend(); ++call) {
    waiting_.push_front(std::move(*call));
  }
  const auto keep = shared_from_this();
  fail_all(std::move(sent), {}, Code::connection_loss);
  if (was_connected && !abandoned_ && state_ == State::connected) {
    set_state(State::suspended);
  }
}

void Client::Session::on_bytes(ByteView bytes) {
  const auto keep = shared_from_this();
  heard_at_ = lane_.now();
  reader_.feed(bytes);
  while (stream_ != nullptr && !abandoned_) {
    auto body = reader_.next();
    if (!body) {
      break;
    }
    if (handshaken_) {
      on_frame(*body);
    } else {
      on_handshake(*body);
    }
  }
  if (stream_ != nullptr && reader_.bad()) {
    drop_connection("a frame of impossible length");
  }
}

void Client::Session::on_eof() {
  const auto keep = shared_from_this();
  drop_connection("the server ended the connection");
}

void Client::Session::on_closed(const Error& reason) {
  const auto keep = shared_from_this();
  drop_connection(reason.message.c_str());
}

// --- traffic

void Client::Session::submit(Call call) {
  if (is_over()) {
    const Code code = state_ == State::auth_failed ? Code::auth_failed : Code::session_expired;
    answer_later(std::move(call), Outcome{code, Certainty::not_done, {}});
    return;
  }
  waiting_.push_back(std::move(call));
  pump();
}

void Client::Session::pump() {
  while (handshaken_ && !waiting_.empty()) {
    Call call = std::move(waiting_.front());
    waiting_.pop_front();
    xid_last_ = xid_last_ == INT32_MAX ? 1 : xid_last_ + 1;
    send(xid_last_, std::move(call));
  }
}

void Client::Session::send(std::int32_t xid, Call call) {
  send_frame(xid, call.op, call.request);
  sent_.push_back(Sent{xid, sent_at_, std::move(call)});
}

void Client::Session::send_frame(std::int32_t xid, OpCode op, const zkwire::Request& request) {
  sent_at_ = lane_.now();
  stream_->write(
      zkwire::frame(zkwire::encode_request({xid, static_cast<std::int32_t>(op)}, request)));
}

void Client::Session::on_frame(ByteView body) {
  const auto header = zkwire::decode_reply_header(body);
  if (!header.ok()) {
    drop_connection("a malformed reply");
    return;
  }
  if (header->xid == zkwire::xid_notification) {
    on_event(body);
    return;
  }
  if (header->zxid > last_zxid_.value()) {
    last_zxid_ = Zxid(header->zxid);
  }
  if (header->xid < 0) {
    on_special_reply(*header);
  } else {
    on_reply(*header, body);
  }
}

void Client::Session::on_event(ByteView body) {
  auto event = zkwire::decode_event_body(body);
  if (!event.ok()) {
    drop_connection("a malformed event");
    return;
  }
  const std::vector<Watch> fired = watches_.take(*event);
  if (!chroot().empty() && event->path.starts_with(chroot())) {
    event->path.erase(0, chroot().size());
    if (event->path.empty()) {
      event->path = "/";
    }
  }
  for (const Watch& watch : fired) {
    if (abandoned_) {
      return;
    }
    watch(*event);
  }
}

void Client::Session::on_special_reply(const zkwire::ReplyHeader& header) {
  if (header.xid == zkwire::xid_ping && !pings_.empty()) {
    confirmed_at_ = std::max(confirmed_at_, pings_.front());
    pings_.pop_front();
  } else if (header.xid == zkwire::xid_auth && !auths_sent_.empty()) {
    const std::size_t index = auths_sent_.front();
    auths_sent_.pop_front();
    const Answered answered = std::exchange(auths_[index].answered, nullptr);
    if (header.err != 0) {
      end(State::auth_failed, Code::auth_failed);
    }
    if (answered && !abandoned_) {
      answered(Outcome{header.err == 0 ? Code::ok : Code::auth_failed, Certainty::not_done, {}});
    }
  }
}

void Client::Session::on_reply(const zkwire::ReplyHeader& header, ByteView body) {
  if (sent_.empty() || sent_.front().xid != header.xid) {
    drop_connection("an answer to another question");
    return;
  }
  Sent sent = std::move(sent_.front());
  sent_.pop_front();
  confirmed_at_ = std::max(confirmed_at_, sent.at);
  Outcome outcome;
  outcome.code = static_cast<Code>(header.err);
  if (header.err == 0) {
    auto reply = zkwire::decode_reply_body(sent.call.op, body);
    if (!reply.ok()) {
      sent_.push_front(std::move(sent));
      drop_connection("a malformed answer");
      return;
    }
    outcome.reply = std::move(reply).value();
  }
  settle_watch(sent.call, outcome.code);
  if (sent.call.op == OpCode::close_session) {
    // Answered before the state, as everything else.
    sent.call.answered(std::move(outcome));
    if (!abandoned_) {
      end(State::closed, Code::session_expired);
    }
    return;
  }
  sent.call.answered(std::move(outcome));
}

void Client::Session::settle_watch(Call& call, Code code) {
  if (!call.watch) {
    return;
  }
  if (call.op == OpCode::exists && code == Code::no_node) {
    watches_.add(WatchKind::exist, call.watch_path, std::move(call.watch));
  } else if (code == Code::ok) {
    const bool child = call.op == OpCode::get_children || call.op == OpCode::get_children2;
    watches_.add(child ? WatchKind::child : WatchKind::data, call.watch_path,
                 std::move(call.watch));
  }
}

void Client::Session::answer_later(Call call, Outcome outcome) {
  lane_.after(Duration(), scope_.wrap([answered = std::move(call.answered),
                                       outcome = std::move(outcome)] { answered(outcome); }));
}

void Client::Session::add_auth(Auth auth, Answered answered) {
  if (is_over()) {
    Call call;
    call.answered = std::move(answered);
    answer_later(std::move(call), Outcome{Code::session_expired, Certainty::not_done, {}});
    return;
  }
  auths_.push_back({std::move(auth), std::move(answered)});
  if (handshaken_) {
    send_auth(auths_.size() - 1);
  }
}

void Client::Session::close(Answered answered) {
  Call call;
  call.op = OpCode::close_session;
  call.request = zkwire::EmptyRequest{};
  call.answered = std::move(answered);
  if (is_over()) {
    answer_later(std::move(call), Outcome{});
    return;
  }
  closing_ = true;
  if (credentials_.id == SessionId()) {
    // No session yet that we know of: nothing to end.
    lane_.after(Duration(), scope_.wrap([this, answered = std::move(call.answered)] {
      const auto keep = shared_from_this();
      answered(Outcome{});
      if (!abandoned_ && !is_over()) {
        end(State::closed, Code::session_expired);
      }
    }));
    return;
  }
  submit(std::move(call));
}

// --- endings and time

void Client::Session::fail_all(std::deque<Sent> sent, std::deque<Call> waiting, Code code) {
  for (Sent& one : sent) {
    if (!abandoned_ && one.call.answered) {
      one.call.answered(Outcome{code, Certainty::unknown, {}});
    }
  }
  for (Call& one : waiting) {
    if (!abandoned_ && one.answered) {
      // A close that finds the session gone has what it wanted.
      const bool closed = one.op == OpCode::close_session;
      one.answered(Outcome{closed ? Code::ok : code, Certainty::not_done, {}});
    }
  }
}

void Client::Session::end(State state, Code code) {
  const auto keep = shared_from_this();
  stream_scope_.reset();
  dialler_.stop();
  if (stream_ != nullptr) {
    lane_.after(Duration(), [kept = std::move(stream_)]() mutable { kept.reset(); });
  }
  handshaken_ = false;
  watches_.clear();
  state_ = state;  // so that callbacks which ask for more are refused
  const Code failure = code == Code::ok ? Code::session_expired : code;
  for (AuthEntry& entry : std::exchange(auths_, {})) {
    if (entry.answered && !abandoned_) {
      entry.answered(Outcome{failure, Certainty::not_done, {}});
    }
  }
  auths_sent_.clear();
  fail_all(std::exchange(sent_, {}), std::exchange(waiting_, {}), failure);
  if (!abandoned_) {
    on_state_(state);
  }
}

void Client::Session::set_state(State state) {
  if (state_ != state) {
    state_ = state;
    on_state_(state);
  }
}

// Several times within a third of the timeout: pings, silent servers.
void Client::Session::tick() {
  const Instant now = lane_.now();
  const Duration period = std::max(timeout_ / 12, Duration::millis(5));
  const bool late = now - ticked_at_ > timeout_ / 6 + period;
  ticked_at_ = now;
  lane_.after(period, scope_.wrap([this] { tick(); }));
  if (!handshaken_) {
    return;
  }
  if (late) {
    // We were not scheduled: what the server said may still wait in the socket.
    heard_at_ = std::max(heard_at_, now - timeout_ / 3);
  }
  if (now - heard_at_ > timeout_ * 2 / 3) {
    const auto keep = shared_from_this();
    drop_connection("the server is silent");
    return;
  }
  const bool awaits = !pings_.empty() && now - pings_.back() < timeout_ / 3;
  if ((now - sent_at_ >= timeout_ / 3 || late || now - heard_at_ >= timeout_ / 3) && !awaits) {
    send_frame(zkwire::xid_ping, OpCode::ping, zkwire::EmptyRequest{});
    pings_.push_back(sent_at_);
  }
}

}  // namespace synod::zkclient
