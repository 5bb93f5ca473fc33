#include "znode/state.h"

#include "base/check.h"
#include "base/checksum.h"
#include "znode/applier.h"
#include "znode/loader.h"
#include "znode/snapshot.h"
#include "znode/walk.h"

namespace synod::znode {
State::State() : State(Options{}) {}

State::State(Options options) : options_(options) {
  const zkwire::AclList open = zkwire::open_acl();
  tree_.insert("/zookeeper", NewNode{}, open);
  tree_.insert("/zookeeper/quota", NewNode{}, open);
  NewNode config;
  config.data = Bytes();
  config.aversion = -1;
  tree_.insert("/zookeeper/config", config,
               {zkwire::Acl{zkwire::perm::read, zkwire::Id{"world", "anyone"}}});
  const auto with_empty_data = [this](const char* path) { tree_.set_data(path, Bytes()); };
  with_empty_data("/");
  with_empty_data("/zookeeper");
  with_empty_data("/zookeeper/quota");
}

State::~State() = default;

State::State(State&& other) noexcept
    : options_(other.options_),
      tree_(std::move(other.tree_)),
      sessions_(std::move(other.sessions_)),
      minters_(std::move(other.minters_)),
      settings_(std::move(other.settings_)),
      last_zxid_(other.last_zxid_),
      ephemerals_(other.ephemerals_),
      session_digest_(other.session_digest_),
      cursor_(std::move(other.cursor_)) {
  if (cursor_ != nullptr) {
    cursor_->follow(tree_);
  }
}

State& State::operator=(State&& other) noexcept {
  if (this != &other) {
    options_ = other.options_;
    tree_ = std::move(other.tree_);
    sessions_ = std::move(other.sessions_);
    minters_ = std::move(other.minters_);
    settings_ = std::move(other.settings_);
    last_zxid_ = other.last_zxid_;
    ephemerals_ = other.ephemerals_;
    session_digest_ = other.session_digest_;
    cursor_ = std::move(other.cursor_);
    if (cursor_ != nullptr) {
      cursor_->follow(tree_);
    }
  }
  return *this;
}

Effects State::apply(const BatchHeader& header, const Command& command) {
  return Applier(*this, header, command).run();
}

bool State::is_next(const Command& command) const {
  const Session* session = find_session(command.session);
  return session != nullptr && session->generation == command.generation &&
         session->next_sequence == command.sequence;
}

zkwire::Code State::may_write_config(const Command& command, const Switches& switches) const {
  const Node* node = tree_.find("/zookeeper/config");
  if (node == nullptr) {
    return zkwire::Code::no_node;
  }
  const bool may = permits(*tree_.acl_of(*node), zkwire::perm::write, command.identities, switches);
  return may ? zkwire::Code::ok : zkwire::Code::no_auth;
}

const Session* State::find_session(SessionId id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

std::int64_t State::highest_session_of(std::uint32_t minter) const {
  const auto found = minters_.find(minter);
  return found == minters_.end() ? 0 : found->second;
}

Counts State::counts() const {
  return {tree_.nodes(), ephemerals_, tree_.data_bytes(), sessions_.size(), tree_.acl_bytes()};
}

std::uint64_t State::session_digest(SessionId id, const Session& session) {
  std::uint64_t h = hash_mix(static_cast<std::uint64_t>(id.value()), session.generation.value());
  h = hash_mix(h, session.next_sequence.value());
  h = hash_mix(h, static_cast<std::uint32_t>(session.timeout_ms));
  h = hash_mix(h, session.nonce);
  return hash64(session.password, h);
}

std::uint64_t State::minter_digest(std::uint32_t minter, std::int64_t highest) {
  return hash_mix(minter, static_cast<std::uint64_t>(highest));
}

void State::raise_minter(std::uint32_t minter, std::int64_t highest) {
  const auto known = minters_.find(minter);
  if (known != minters_.end()) {
    session_digest_ -= minter_digest(minter, known->second);
  }
  minters_[minter] = highest;
  session_digest_ += minter_digest(minter, highest);
}

std::uint64_t State::digest() const {
  std::uint64_t h = hash_mix(tree_.digest(), session_digest_);
  h = hash_mix(h, static_cast<std::uint64_t>(last_zxid_.value()));
  for (const auto& [key, value] : settings_) {  // a handful
    h = hash64(value, hash64(key, h));
  }
  return h;
}

std::string State::check() const {
  std::string wrong = tree_.check();
  if (!wrong.empty()) {
    return wrong;
  }
  std::uint64_t ephemerals = 0;
  TreeWalk walk(tree_);
  while (const Node* node = walk.next()) {
    if (node->is_ephemeral()) {
      const Session* owner = find_session(SessionId(node->owner));
      if (owner == nullptr || owner->ephemerals.count(walk.path()) == 0) {
        return walk.path() + ": its session does not list it";
      }
      ++ephemerals;
    }
  }
  std::uint64_t listed = 0;
  std::uint64_t digest = 0;
  for (const auto& [id, session] : sessions_) {
    listed += session.ephemerals.size();
    digest += session_digest(id, session);
  }
  for (const auto& [minter, highest] : minters_) {
    digest += minter_digest(minter, highest);
  }
  if (listed != ephemerals || ephemerals != ephemerals_) {
    return "the count of ephemeral nodes does not agree";
  }
  return digest == session_digest_ ? "" : "the digest is not the sum over the sessions";
}

void State::before_session(SessionId id, const Session* session) {
  if (cursor_ != nullptr) {
    cursor_->before_session(id, session);
  }
}

void State::begin_snapshot() {
  ByteWriter header;
  header.u8(static_cast<std::uint8_t>(RecordTag::header));
  header.u32(snapshot_format);
  header.i64(last_zxid_.value());
  header.u32(static_cast<std::uint32_t>(minters_.size()));
  for (const auto& [minter, highest] : minters_) {
    header.u32(minter);
    header.i64(highest);
  }
  header.u32(static_cast<std::uint32_t>(settings_.size()));
  for (const auto& [key, value] : settings_) {
    header.sized(key);
    header.sized(value);
  }
  ByteWriter trailer;
  trailer.u8(static_cast<std::uint8_t>(RecordTag::trailer));
  trailer.u64(tree_.nodes());
  trailer.u64(sessions_.size());
  trailer.u64(digest());
  cursor_ = std::make_unique<SnapshotCursor>(tree_, header.take(), trailer.take());
  if (options_.planted != PlantedBug::fuzzy_snapshot) {
    tree_.observe(cursor_.get());
  }
}

Bytes State::next_slice(std::size_t size_max) {
  SYNOD_CHECK(cursor_ != nullptr);
  Bytes slice = cursor_->next_slice(sessions_, size_max);
  if (slice.empty()) {
    drop_snapshot();
  }
  return slice;
}

void State::drop_snapshot() {
  tree_.observe(nullptr);
  cursor_.reset();
}

Bytes State::snapshot() {
  constexpr std::size_t slice_size = 1U << 20;
  begin_snapshot();
  Bytes all;
  for (Bytes slice = next_slice(slice_size); !slice.empty(); slice = next_slice(slice_size)) {
    all += slice;
  }
  return all;
}

Result<State> State::load(ByteView bytes, Options options) {
  Loader loader(options);
  SYNOD_TRY(loader.feed(bytes));
  return loader.finish();
}

Result<State> State::load(ByteView bytes) { return load(bytes, Options{}); }

}  // namespace synod::znode
