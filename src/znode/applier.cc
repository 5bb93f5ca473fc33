#include "znode/applier.h"

#include <fmt/format.h>

#include "base/check.h"

namespace synod::znode {
namespace {

constexpr std::string_view config_path = "/zookeeper/config";
constexpr std::uint64_t counter_max = 0xffffffff;
// A zxid_epoch of its own for every leader: the high half.
constexpr int epoch_shift = 32;

}  // namespace

Effects Applier::run() {
  effects_.outcome.kind = Outcome::Kind::ignored;
  const CommandRequest& request = command_.request;
  if (is_sequenced(request)) {
    sequenced();
  } else if (const auto* create = std::get_if<CreateSession>(&request)) {
    create_session(*create);
  } else if (const auto* attach = std::get_if<AttachSession>(&request)) {
    attach_session(*attach);
  } else if (const auto* expire = std::get_if<ExpireSession>(&request)) {
    expire_session(*expire);
  } else if (const auto* container = std::get_if<DeleteContainer>(&request)) {
    delete_container(*container);
  } else if (const auto* settings = std::get_if<UpdateSettings>(&request)) {
    update_settings(*settings);
  } else if (std::holds_alternative<OpenEpoch>(request)) {
    open_epoch();
  }
  effects_.outcome.zxid = state_.last_zxid_;
  return std::move(effects_);
}

void Applier::take_zxid() {
  const auto last = static_cast<std::uint64_t>(state_.last_zxid_.value());
  // A full counter opens the next zxid_epoch by itself, the same way on every replica.
  const std::uint64_t next = (last & counter_max) == counter_max
                                 ? (((last >> epoch_shift) + 1) << epoch_shift) + 1
                                 : last + 1;
  zxid_ = static_cast<std::int64_t>(next);
  state_.last_zxid_ = Zxid(zxid_);
  effects_.outcome.kind = Outcome::Kind::applied;
}

void Applier::open_epoch() {
  const auto last = static_cast<std::uint64_t>(state_.last_zxid_.value());
  state_.last_zxid_ = Zxid(static_cast<std::int64_t>(((last >> epoch_shift) + 1) << epoch_shift));
}

void Applier::sequenced() {
  Outcome& outcome = effects_.outcome;
  const auto found = state_.sessions_.find(command_.session);
  if (found == state_.sessions_.end()) {
    outcome.kind = Outcome::Kind::moved;
    outcome.code = Code::session_expired;
    return;
  }
  const Session& session = found->second;
  const PlantedBug planted = state_.options_.planted;
  const bool old = command_.generation < session.generation;
  if (old && planted == PlantedBug::generation_ignored) {
    take_zxid();
    perform();
    return;
  }
  if (old) {
    outcome.kind = Outcome::Kind::moved;
    outcome.code = Code::session_moved;
    return;
  }
  const bool ahead = command_.sequence > session.next_sequence;
  if (ahead && planted == PlantedBug::reorder_forwarded) {
    edit_session(command_.session, [this](Session& s) { s.next_sequence = command_.sequence; });
  } else if (command_.generation > session.generation || ahead) {
    outcome.kind = Outcome::Kind::gap;
    outcome.wanted = session.next_sequence;
    return;
  }
  if (command_.sequence < session.next_sequence) {
    if (planted != PlantedBug::repeat_forwarded_write) {
      outcome.kind = Outcome::Kind::repeat;
      return;
    }
  } else {
    edit_session(command_.session, [](Session& s) { s.next_sequence = s.next_sequence.next(); });
  }
  take_zxid();
  perform();
}

void Applier::perform() {
  Outcome& outcome = effects_.outcome;
  if (const auto* write = std::get_if<ClientWrite>(&command_.request)) {
    outcome.code = this->write(*write);
  } else if (const auto* fail = std::get_if<FailWrite>(&command_.request)) {
    outcome.code = fail->code;
  } else if (const auto* config = std::get_if<ConfigWrite>(&command_.request)) {
    write_config(*config);
  } else if (std::holds_alternative<Reconfigure>(command_.request)) {
    outcome.code = Code::unimplemented;  // no leader of ours writes it into a batch
  } else {
    end_session(SessionEffect::Kind::closed);
  }
}

void Applier::create_session(const CreateSession& request) {
  Outcome& outcome = effects_.outcome;
  // Unsigned: the server's number stands in the top byte.
  const auto highest = static_cast<std::uint64_t>(state_.highest_session_of(request.minter));
  const auto found = state_.sessions_.find(command_.session);
  if (found != state_.sessions_.end() && found->second.nonce == request.nonce) {
    outcome.kind = Outcome::Kind::repeat;
    outcome.generation = found->second.generation;
    outcome.timeout_ms = found->second.timeout_ms;
    return;
  }
  if (found != state_.sessions_.end() ||
      static_cast<std::uint64_t>(command_.session.value()) <= highest) {
    outcome.kind = Outcome::Kind::stale;
    outcome.code = Code::session_expired;
    return;
  }
  state_.raise_minter(request.minter, command_.session.value());
  take_zxid();
  state_.before_session(command_.session, nullptr);
  Session session;
  session.generation = Generation(1);
  session.next_sequence = Sequence(1);
  session.timeout_ms = request.timeout_ms;
  session.password = request.password;
  session.nonce = request.nonce;
  state_.session_digest_ += State::session_digest(command_.session, session);
  outcome.generation = session.generation;
  outcome.timeout_ms = session.timeout_ms;
  effects_.sessions.push_back(
      {SessionEffect::Kind::created, command_.session, session.generation, session.timeout_ms});
  state_.sessions_.emplace(command_.session, std::move(session));
}

void Applier::attach_session(const AttachSession& request) {
  Outcome& outcome = effects_.outcome;
  outcome.kind = Outcome::Kind::applied;
  const auto found = state_.sessions_.find(command_.session);
  if (found == state_.sessions_.end() || found->second.password != request.password) {
    outcome.code = Code::session_expired;
    return;
  }
  const Session& session = found->second;
  if (session.nonce == request.nonce) {
    outcome.kind = Outcome::Kind::repeat;
  } else {
    edit_session(command_.session, [&request](Session& s) {
      s.generation = s.generation.next();
      s.next_sequence = Sequence(1);
      s.timeout_ms = request.timeout_ms;
      s.nonce = request.nonce;
    });
    effects_.sessions.push_back(
        {SessionEffect::Kind::attached, command_.session, session.generation, session.timeout_ms});
  }
  outcome.generation = session.generation;
  outcome.timeout_ms = session.timeout_ms;
}

void Applier::expire_session(const ExpireSession& request) {
  const auto found = state_.sessions_.find(command_.session);
  if (found == state_.sessions_.end() || found->second.generation != request.generation) {
    return;
  }
  take_zxid();
  end_session(SessionEffect::Kind::expired);
}

void Applier::end_session(SessionEffect::Kind kind) {
  const auto found = state_.sessions_.find(command_.session);
  // remove_node takes each path out of the set.
  const std::set<std::string> ephemerals = found->second.ephemerals;
  for (const std::string& path : ephemerals) {
    if (state_.options_.planted != PlantedBug::ephemerals_kept) {
      remove_node(path);
    }
  }
  const Session& session = found->second;
  effects_.sessions.push_back({kind, command_.session, session.generation, session.timeout_ms});
  state_.before_session(command_.session, &session);
  state_.session_digest_ -= State::session_digest(command_.session, session);
  state_.sessions_.erase(found);
}

void Applier::delete_container(const DeleteContainer& request) {
  const Node* node = state_.tree_.find(request.path);
  const bool kind_fits = node != nullptr && request.path != "/" &&
                         (node->owner == owner_container || ttl_of_owner(node->owner) >= 0);
  if (!kind_fits || node->num_children() > 0) {
    return;
  }
  take_zxid();
  remove_node(request.path);
}

// The leader has checked who may, and that the node is there, against this very state.
void Applier::write_config(const ConfigWrite& write) {
  const std::string text =
      fmt::format("{}version={:x}", write.text, static_cast<std::uint64_t>(zxid_));
  state_.settings_["config"] = text;
  state_.tree_.set_data(config_path, text);
  state_.tree_.edit(config_path, [this](Node& n) {
    n.version = -1;
    n.mzxid = zxid_;
    n.mtime = header_.time.millis;
  });
  const Node* node = state_.tree_.find(config_path);
  trigger(zkwire::EventType::node_data_changed, config_path, state_.tree_.acl_of(*node));
  effects_.outcome.reply = zkwire::DataReply{text, node->stat()};
}

void Applier::update_settings(const UpdateSettings& request) {
  for (const auto& [key, value] : request.values) {
    if (value.empty()) {
      state_.settings_.erase(key);
    } else {
      state_.settings_[key] = value;
    }
    if (key == "config") {
      // As an ensemble of ZooKeeper shows it: the text of the members, version -1.
      state_.tree_.set_data(config_path, value);
      state_.tree_.edit(config_path, [](Node& n) { n.version = -1; });
    }
  }
}

}  // namespace synod::znode
