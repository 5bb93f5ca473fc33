// How a connection begins: a four-letter word, or the handshake that makes or attaches a session.
#include <algorithm>

#include "coordinator/edge_connection.h"
#include "ports/entropy.h"

namespace synod::coordinator {
namespace {

constexpr std::size_t word_size = 4;
constexpr std::size_t password_size = 16;

}  // namespace

bool EdgeConnection::answer_four_letter_word() {
  const ByteView waiting = frames_.peek();
  if (waiting.size() < word_size) {
    return false;
  }
  const std::optional<std::string> answer = edge_.four_letter_word(waiting.substr(0, word_size));
  if (!answer.has_value()) {
    return false;
  }
  out_ = *answer;
  close("a four-letter word was answered");
  return true;
}

void EdgeConnection::connect(ByteView frame) {
  const Result<zkwire::ConnectRequest> request = zkwire::decode_connect_request(frame);
  if (!request.ok()) {
    close("a malformed connect request");
    return;
  }
  mirrors_read_only_ = request->read_only.has_value();
  bool behind = false;
  bool wrong_password = false;
  edge_.with_state([&](const znode::State& state) {
    behind = request->last_zxid_seen > state.last_zxid().value();
    const znode::Session* session = state.find_session(SessionId(request->session_id));
    // One that is not known here may still be on its way: only apply refuses it.
    wrong_password = session != nullptr && session->password != request->password;
  });
  if (phase_ == Phase::closing) {
    return;
  }
  if (behind) {
    close("the client has seen more than this replica");
    return;
  }
  phase_ = Phase::opening;
  open_session(request.value());
  if (attaching_ && wrong_password) {
    refuse();
    return;
  }
  send_session_request();
}

void EdgeConnection::open_session(const zkwire::ConnectRequest& request) {
  const EdgeOptions& options = edge_.options();
  timeout_ms_ = std::clamp(request.timeout_ms, options.session_timeout_ms_min,
                           options.session_timeout_ms_max);
  attaching_ = request.session_id != 0;
  nonce_ = edge_.open_nonce(id_);
  if (attaching_) {
    session_ = SessionId(request.session_id);
    password_ = request.password;
    return;
  }
  session_ = edge_.mint_session();
  password_.clear();
  while (password_.size() < password_size) {
    const std::uint64_t word = edge_.lane().entropy().next();
    for (int shift = 0; shift < 64; shift += 8) {
      password_.push_back(static_cast<char>(word >> shift));
    }
  }
}

void EdgeConnection::send_session_request() {
  znode::Command command;
  command.session = session_;
  if (attaching_) {
    command.request = znode::AttachSession{password_, timeout_ms_, nonce_};
  } else {
    command.request = znode::CreateSession{edge_.minter(), timeout_ms_, password_, nonce_};
  }
  submitted_at_ = edge_.lane().now();
  request_sent_ = edge_.submit(Submit{edge_.options().index, session_, Generation(), Sequence(),
                                      nonce_, znode::encode_command(command)});
  if (!request_sent_) {
    edge_.submit_later();
  }
}

void EdgeConnection::opened(const znode::Outcome& outcome) {
  if (phase_ != Phase::opening) {
    return;
  }
  if (outcome.kind == znode::Outcome::Kind::stale) {
    session_ = edge_.mint_session();
    send_session_request();
    return;
  }
  if (outcome.code != zkwire::Code::ok || outcome.generation == Generation()) {
    refuse();
    return;
  }
  phase_ = Phase::open;
  edge_.close_nonce(nonce_);
  generation_ = outcome.generation;
  edge_.bind(session_, id_);
  touch();
  zkwire::ConnectResponse response{0, timeout_ms_, session_.value(), password_, std::nullopt};
  if (mirrors_read_only_) {
    response.read_only = false;
  }
  put(zkwire::frame(zkwire::encode(response)));
  ++sent_;
  ++edge_.stats().sent;
  edge_.make_ready(id_);
}

void EdgeConnection::refuse() {
  zkwire::ConnectResponse response{0, 0, 0, Bytes(password_size, '\0'), std::nullopt};
  if (mirrors_read_only_) {
    response.read_only = false;
  }
  edge_.close_nonce(nonce_);
  put(zkwire::frame(zkwire::encode(response)));
  close("the session is unknown, expired, or its password is wrong");
}

}  // namespace synod::coordinator
