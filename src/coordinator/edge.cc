#include "coordinator/edge.h"

#include <algorithm>

#include "coordinator/edge_connection.h"
#include "coordinator/four_letter.h"
#include "ports/entropy.h"

namespace synod::coordinator {
namespace {

constexpr Duration tick_period = Duration::millis(100);
constexpr Duration sweep_period = Duration::millis(500);
// A replica without an ensemble keeps its clients this long: a change of leader takes less, also
// where each of its four flushes takes 300 ms. What is longer is a server that is cut off, and
// others serve.
constexpr Duration serving_grace = Duration::millis(1500);
// What is in flight when the process is told to stop is answered within this, or not here.
constexpr Duration drain_max = Duration::seconds(1);

// Connections that are told of an event in one turn: a quarter of a millisecond's work.
constexpr std::size_t told_in_a_turn = 64;

// Lines a second about slow requests; all are counted.
constexpr std::uint64_t slow_said_max = 10;

// Session ids: the server in the top byte, the edge in the next four bits, then a number that
// rises.
constexpr int server_shift = 56;
constexpr int edge_shift = 52;
constexpr int clock_shift = 8;
constexpr std::uint64_t number_mask = (std::uint64_t{1} << edge_shift) - 1;

}  // namespace

Edge::Edge(ports::Lane& lane, Shared& shared, ports::Sender<EdgeMessage> engine,
           EdgeOptions options)
    : lane_(lane),
      shared_(shared),
      engine_(std::move(engine)),
      options_(std::move(options)),
      shares_(options_.shares),
      started_(lane.now()),
      not_serving_since_(started_),
      touched_at_(started_),
      swept_at_(started_) {
  lane_.after(tick_period, scope_.wrap([this] { tick(); }));
}

Edge::~Edge() = default;

void Edge::accept(std::unique_ptr<ports::Stream> stream) {
  if (draining_) {
    return;  // the stream closes
  }
  const std::string host = stream->peer().address.host;
  const auto known = per_address_.find(host);
  const std::size_t of_address = known == per_address_.end() ? 0 : known->second;
  const bool too_many =
      (options_.connections_max != 0 && connections_.size() >= options_.connections_max) ||
      (options_.connections_per_address_max != 0 &&
       of_address >= options_.connections_per_address_max);
  if (too_many) {
    ++stats_.connections_refused;
    lane_.log().warning("edge", "too many connections from {}: refused", host);
    return;  // the stream closes
  }
  const ConnectionId id(++last_connection_);
  ++per_address_[host];
  auto connection = std::make_unique<EdgeConnection>(*this, id, std::move(stream));
  EdgeConnection& started = *connection;
  connections_.emplace(id, std::move(connection));
  started.start();
}

void Edge::remove(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) {
    return;
  }
  watches_.drop(id);
  unbind(found->second->session(), id);
  close_nonce(found->second->nonce());
  for (auto it = tickets_.begin(); it != tickets_.end();) {
    it = it->second == id ? tickets_.erase(it) : std::next(it);
  }
  const auto address = per_address_.find(found->second->peer_host());
  if (address != per_address_.end() && --address->second == 0) {
    per_address_.erase(address);
  }
  // Its stream is calling just now.
  ended_.push_back(std::move(found->second));
  connections_.erase(found);
  lane_.after(Duration(), scope_.wrap([this] { ended_.clear(); }));
  if (draining_ && connections_.empty()) {
    end_drain();
  }
}

void Edge::drain(std::function<void()> drained) {
  draining_ = true;
  drained_ = std::move(drained);
  if (connections_.empty()) {
    end_drain();
    return;
  }
  for (const auto& [id, connection] : connections_) {
    make_ready(id);
  }
  lane_.after(drain_max, scope_.wrap([this] {
    if (drained_) {
      lane_.log().warning("edge", "{} connections are cut: not answered within {} ms",
                          connections_.size(), drain_max.millis());
      end_drain();
    }
  }));
  pump();
}

void Edge::end_drain() {
  if (drained_) {
    lane_.after(Duration(), scope_.wrap(std::exchange(drained_, nullptr)));
  }
}

EdgeConnection* Edge::find(ConnectionId id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

EdgeConnection* Edge::find_session(SessionId session) {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : find(found->second);
}

void Edge::bind(SessionId session, ConnectionId connection) {
  EdgeConnection* other = find_session(session);
  sessions_[session] = connection;
  if (other != nullptr) {
    other->close("the session was attached again");
  }
}

void Edge::unbind(SessionId session, ConnectionId connection) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end() && found->second == connection) {
    sessions_.erase(found);
  }
}

std::uint32_t Edge::minter() const { return (options_.self.value() << 8) | options_.index; }

SessionId Edge::mint_session() {
  std::uint64_t highest = 0;
  {
    const ports::ReadHold hold(shared_.gate, options_.index);
    highest = static_cast<std::uint64_t>(shared_.state.highest_session_of(minter()));
  }
  const std::uint64_t base =
      (static_cast<std::uint64_t>(options_.self.value()) << server_shift) |
      (static_cast<std::uint64_t>(options_.index & 0xf) << edge_shift) |
      ((static_cast<std::uint64_t>(lane_.wall().millis) << clock_shift) & number_mask);
  // The clock keeps ids of different runs apart; what rises is what the log has seen.
  last_session_ = std::max({last_session_ + 1, highest + 1, base});
  return SessionId(static_cast<std::int64_t>(last_session_));
}

std::uint64_t Edge::open_nonce(ConnectionId connection) {
  std::uint64_t nonce = lane_.entropy().next();
  while (nonce == 0 || openings_.count(nonce) != 0) {
    nonce = lane_.entropy().next();
  }
  openings_.emplace(nonce, connection);
  return nonce;
}

std::uint64_t Edge::open_ticket(ConnectionId connection) {
  tickets_.emplace(++last_ticket_, connection);
  return last_ticket_;
}

// --- the pump

void Edge::wake() { pump(); }

void Edge::pump() {
  if (pumping_) {
    return;
  }
  pumping_ = true;
  turn_ = lane_.now();
  with_state([this](const znode::State& state) { state_bytes_ = size_bytes(state.counts()); });
  do {
    while (!ready_.empty()) {
      std::vector<ConnectionId> ready;
      ready.swap(ready_);
      for (const ConnectionId id : ready) {
        if (EdgeConnection* connection = find(id)) {
          connection->run();
        }
      }
    }
    take_turns();
    wake_those_who_waited();
  } while (!ready_.empty());
  const std::vector<ConnectionId> dirty = std::exchange(dirty_, {});
  for (const ConnectionId id : dirty) {
    if (EdgeConnection* connection = find(id)) {
      connection->flush();
    }
  }
  flush_told();
  pumping_ = false;
}

void Edge::run_later(ConnectionId id) {
  lane_.after(Duration(), scope_.wrap([this, id] {
    if (EdgeConnection* connection = find(id)) {
      connection->go_on();
    }
    pump();
  }));
}

// A watch of ten thousand sessions fires: nobody else waits until all of them have been told.
void Edge::flush_told() {
  for (std::size_t i = 0; i < told_in_a_turn && !told_.empty(); ++i) {
    const ConnectionId id = told_.front();
    told_.pop_front();
    if (EdgeConnection* connection = find(id)) {
      connection->flush_events();
    }
  }
  if (!told_.empty() && !std::exchange(telling_later_, true)) {
    lane_.after(Duration(), scope_.wrap([this] {
      telling_later_ = false;
      pump();
    }));
  }
}

// Items that come in while one is dealt with wait behind the others.
void Edge::process_inbox(std::vector<InboxItem>& items) {
  if (processing_) {
    for (InboxItem& item : items) {
      deferred_.push_back(std::move(item));
    }
    return;
  }
  processing_ = true;
  for (const InboxItem& item : items) {
    std::visit([this](const auto& i) { process(i); }, item);
  }
  while (!deferred_.empty()) {
    const InboxItem item = std::move(deferred_.front());
    deferred_.pop_front();
    std::visit([this](const auto& i) { process(i); }, item);
  }
  processing_ = false;
}

void Edge::process(const Applied& item) {
  if (item.sequence == Sequence()) {
    const auto opening = openings_.find(item.nonce);
    if (opening != openings_.end()) {
      if (EdgeConnection* connection = find(opening->second)) {
        connection->opened(item.outcome);
      }
    }
    return;
  }
  if (EdgeConnection* connection = find_session(item.session)) {
    connection->complete(item);
  }
}

void Edge::process(const Fired& item) {
  if (watches_.empty()) {
    return;
  }
  const std::vector<znode::Watcher> receivers = watches_.fire(item.trigger.type, item.trigger.path);
  if (receivers.empty()) {
    return;
  }
  const Bytes frame = zkwire::frame(zkwire::encode_event(
      item.zxid.value(),
      {item.trigger.type, zkwire::KeeperState::sync_connected, item.trigger.path}));
  for (const znode::Watcher watcher : receivers) {
    if (EdgeConnection* connection = find(watcher)) {
      connection->deliver(item.trigger, frame);
      if (options_.planted == PlantedBug::watch_fires_twice) {
        connection->deliver(item.trigger, frame);
      }
    }
  }
}

void Edge::process(const SessionChanged& item) {
  if (EdgeConnection* connection = find_session(item.effect.session)) {
    connection->changed(item.effect);
  }
}

void Edge::process(const PathRenewed&) {
  for (const auto& [id, connection] : connections_) {
    connection->path_renewed();
  }
}

void Edge::process(const Synced& item) {
  const auto found = tickets_.find(item.ticket);
  if (found != tickets_.end()) {
    if (EdgeConnection* connection = find(found->second)) {
      connection->synced(item);
    }
  }
}

void Edge::process(const StateReplaced&) {
  // Which changes lie between is unknown. Whoever watches or waits is closed: clients come back and
  // restore their watches relative to what they have seen, which is exact. The others stay if their
  // session is still theirs.
  std::vector<EdgeConnection*> doomed;
  {
    const ports::ReadHold hold(shared_.gate, options_.index);
    for (const auto& [id, connection] : connections_) {
      if (!connection->is_open()) {
        continue;
      }
      const znode::Session* session = shared_.state.find_session(connection->session());
      if (session == nullptr || session->generation != connection->generation() ||
          connection->has_unanswered_writes() || watches_.is_watching(id)) {
        doomed.push_back(connection.get());
      }
    }
  }
  for (EdgeConnection* connection : doomed) {
    connection->close("the state was replaced by a snapshot");
  }
}

// --- time

ClusterView Edge::view() {
  const ports::ReadHold hold(shared_.gate, options_.index);
  return shared_.view;
}

void Edge::tick() {
  const Instant now = lane_.now();
  lane_.after(tick_period, scope_.wrap([this] { tick(); }));
  if (resubmit_soon_) {
    resubmit_soon_ = false;
    resubmit();
  }
  if (now - touched_at_ >= Duration::millis(options_.session_timeout_ms_min) / 3) {
    touched_at_ = now;
    send_touches();
  }
  const bool was_lost = serving_lost_;
  look_at_service(now);
  if (now - swept_at_ >= sweep_period || serving_lost_ != was_lost) {
    swept_at_ = now;
    sweep(now);
  }
  pump();
}

void Edge::resubmit() {
  for (const auto& [id, connection] : connections_) {
    connection->submit_more();
  }
}

void Edge::send_touches() {
  if (touched_.empty()) {
    return;
  }
  if (submit(Touch{options_.index, touched_})) {
    touched_.clear();
    ++touch_number_;
  }
}

void Edge::look_at_service(Instant now) {
  if (view().serving) {
    not_serving_since_ = now;
  }
  serving_lost_ = now - not_serving_since_ > serving_grace;
}

void Edge::sweep(Instant now) {
  for (const auto& [id, connection] : connections_) {
    connection->sweep(now, serving_lost_);
  }
  sweep_output();
}

void Edge::say_slow(Instant since, const std::string& request) {
  ++stats_.slow_requests;
  if (turn_ - slow_second_ >= Duration::seconds(1)) {
    slow_second_ = turn_;
    slow_said_ = 0;
  }
  if (++slow_said_ <= slow_said_max) {
    lane_.log().warning("edge", "slow: {} took {} ms", request, (turn_ - since).millis());
  }
}

FourLetterView Edge::facts(bool lines) {
  FourLetterView facts;
  facts.now = lane_.now();
  facts.started = started_;
  {
    const ports::ReadHold hold(shared_.gate, options_.index);
    facts.cluster = shared_.view;
    facts.counts = shared_.state.counts();
    facts.zxid = shared_.state.last_zxid();
    facts.digest = shared_.state.digest();
  }
  facts.stats = stats_;
  facts.connections = connections_.size();
  facts.held_bytes = shares_.held_bytes();
  facts.held_back = shares_.crowds();
  facts.watches = watches_.count();
  facts.data_watches = watches_.data_count();
  facts.watching = watches_.watchers();
  facts.paths_watched = watches_.paths_watched();
  for (const auto& [id, connection] : connections_) {
    facts.outstanding += connection->outstanding();
    if (lines) {
      facts.lines.push_back(connection->details(facts.now));
    }
  }
  return facts;
}

std::optional<std::string> Edge::four_letter_word(std::string_view word) {
  if (!is_four_letter_word(word)) {
    return std::nullopt;
  }
  FourLetterView facts = this->facts(word == "cons");
  if (word == "stat") {
    for (const auto& [id, connection] : connections_) {
      facts.lines.push_back(connection->summary());
    }
  }
  if (word == "wchc" || word == "wchp") {
    watches_.each_data_watch([&](const std::string& path, znode::Watcher watcher) {
      if (EdgeConnection* connection = find(watcher)) {
        facts.watch_pairs.emplace_back(connection->session(), path);
      }
    });
  }
  if (word == "srst" || word == "crst") {
    if (four_letter_allowed(word, options_)) {
      stats_ = EdgeStats{};
    }
  }
  return answer_four_letter(word, facts, options_);
}

}  // namespace synod::coordinator
