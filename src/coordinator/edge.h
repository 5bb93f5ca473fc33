// One reader Lane's half of the coordination server: its client connections.
//
// Takes accepted Streams, decodes, authenticates, keeps each connection's requests in one FIFO,
// answers reads from the shared state at once, submits writes to the Engine, fires watches, and
// lets each reply leave only when it is at the head.
//
//   Edge edge(lane, shared, engine_sender, options);
//   network.listen(lane, at, ..., [&](auto stream) { edge.accept(std::move(stream)); });
//   ports::Sender<Wake> waker(lane, [&](Wake) { edge.wake(); });   // given to the Engine
//
// Source      Apache ZooKeeper 3.9.5: ZooKeeperServer.processConnectRequest and processPacket,
//             FinalRequestProcessor, NIOServerCnxn.
// Invariants  I1  replies leave in the order of requests; a read behind an unanswered write waits.
//             I2  the events of a change are written before any reply that could show it.
//             I3  only apply decides that a session was created, attached, closed or expired; the
//                 edge may refuse early, never accept.
//             I4  a write is submitted again until its outcome is known or its connection is gone;
//                 (session, generation, sequence) matches the outcome, never the xid.
// Threads     Confined to its Lane. The shared state is read inside a ReadHold only.
// Memory      Owns its connections. Each holds at most options' bounds of input, unanswered
//             requests and output; beyond them it is not read from, and one that does not read at
//             all is closed. All together hold at most what edge_shares.h and output_bytes_max say.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fifo.h"
#include "coordinator/edge_options.h"
#include "coordinator/edge_shares.h"
#include "coordinator/latency.h"
#include "coordinator/messages.h"
#include "coordinator/shared.h"
#include "ports/lane.h"
#include "ports/scope.h"
#include "ports/sender.h"
#include "ports/stream.h"
#include "znode/watch_table.h"

namespace synod::coordinator {

class EdgeConnection;
struct FourLetterView;

// Since start; latencies in microseconds.
struct EdgeStats {
  std::uint64_t received = 0;  // frames
  std::uint64_t sent = 0;
  std::uint64_t latency_min_us = 0;
  std::uint64_t latency_max_us = 0;
  std::uint64_t latency_sum_us = 0;
  std::uint64_t latency_count = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t auth_failed = 0;
  std::uint64_t writes_refused = 0;  // they would have made the state larger, which is at its limit
  std::uint64_t clients_cut = 0;     // they did not read what they were sent
  std::uint64_t slow_requests = 0;   // slower than EdgeOptions::slow_request
  Histogram reply;                   // applied -> taken here
  Histogram write;                   // a write read -> its reply written
  Histogram read;                    // the same of a read
};

class Edge {
 public:
  using ConnectionId = znode::Watcher;

  Edge(ports::Lane& lane, Shared& shared, ports::Sender<EdgeMessage> engine, EdgeOptions options);
  ~Edge();
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  // A client's connection, not attached yet.
  void accept(std::unique_ptr<ports::Stream> stream);
  // The inbox has something.
  void wake();
  // This process is told to stop: nothing more is read or accepted, what was read is answered, and
  // each connection is closed behind its last answer: to its client that is the word to go
  // elsewhere. Calls back when none is left, or after drain_max.
  void drain(std::function<void()> drained);

  const EdgeStats& stats() const { return stats_; }
  std::size_t connections() const { return connections_.size(); }
  bool draining() const { return draining_; }

  // --- for connections (edge_connection.h)
  ports::Lane& lane() { return lane_; }
  Shared& shared() { return shared_; }
  const EdgeOptions& options() const { return options_; }
  znode::WatchTable& watches() { return watches_; }
  EdgeStats& stats() { return stats_; }
  EdgeShares& shares() { return shares_; }
  ports::Scope& scope() { return scope_; }
  // Runs f(const znode::State&) inside a ReadHold at a moment when everything in the inbox has been
  // dealt with. Connections may change or be closed before f runs: f and its caller look again.
  template <typename F>
  void with_state(F f);
  [[nodiscard]] bool submit(EdgeMessage message) { return engine_.try_send(std::move(message)); }
  SessionId mint_session();
  std::uint32_t minter() const;
  // A number that finds the connection again when the outcome of its create or attach comes.
  std::uint64_t open_nonce(ConnectionId connection);
  void close_nonce(std::uint64_t nonce) { openings_.erase(nonce); }
  // The same for a sync.
  std::uint64_t open_ticket(ConnectionId connection);
  void forget_ticket(std::uint64_t ticket) { tickets_.erase(ticket); }
  bool has(ConnectionId connection) const { return connections_.count(connection) != 0; }
  const znode::Switches& switches() const { return shared_.switches; }
  // Once for each number: a connection remembers the last one for which it said that its session
  // was heard from.
  std::uint64_t touch_number() const { return touch_number_; }
  void touch(SessionId session) { touched_.push_back(session); }
  // Whether a write of the size may pass the state's limit, with all that waits here already.
  bool near_state_limit(std::size_t size_bytes) const {
    return options_.state_limit_bytes != 0 &&
           state_bytes_ + shares_.held_bytes() + size_bytes > options_.state_limit_bytes;
  }
  // When the pump began to turn: near enough for the statistics.
  Instant turn() const { return turn_; }
  // Of a request that was read then and is answered in this turn.
  bool is_slow(Instant since) const {
    return options_.slow_request > Duration() && turn_ - since >= options_.slow_request;
  }
  // Into the log, at most some lines a second.
  void say_slow(Instant since, const std::string& request);
  // The connection speaks for the session from now on.
  void bind(SessionId session, ConnectionId connection);
  void unbind(SessionId session, ConnectionId connection);
  // Its requests at the head can go on once the inbox is done with.
  void make_ready(ConnectionId connection) { ready_.push_back(connection); }
  // Goes on with what it has begun, in another turn.
  void run_later(ConnectionId connection);
  // Has output to be handed to its stream. Once until its flush().
  void mark_dirty(ConnectionId connection) { dirty_.push_back(connection); }
  // Has events and no reply: others' replies go first, and of many such a few in each turn.
  void mark_told(ConnectionId connection) { told_.push_back(connection); }
  void submit_later() { resubmit_soon_ = true; }
  // Its stream has ended. The connection is destroyed on the next turn.
  void remove(ConnectionId connection);
  // What the words and the admin server tell of; with a line for each connection, or without.
  FourLetterView facts(bool lines);
  ClusterView view();
  // The answer to a four-letter word; nullopt if it is none that is known.
  std::optional<std::string> four_letter_word(std::string_view word);

 private:
  void pump();
  void flush_told();
  void take_turns();
  void wake_those_who_waited();
  void sweep_output();
  void process_inbox(std::vector<InboxItem>& items);
  void process(const Applied& item);
  void process(const Fired& item);
  void process(const SessionChanged& item);
  void process(const PathRenewed& item);
  void process(const Synced& item);
  void process(const StateReplaced& item);
  void tick();
  void resubmit();
  void send_touches();
  void look_at_service(Instant now);
  void sweep(Instant now);
  void end_drain();
  EdgeConnection* find(ConnectionId id);
  EdgeConnection* find_session(SessionId session);

  ports::Lane& lane_;
  Shared& shared_;
  ports::Sender<EdgeMessage> engine_;
  const EdgeOptions options_;
  znode::WatchTable watches_;
  EdgeShares shares_;
  EdgeStats stats_;
  Instant started_;

  std::map<ConnectionId, std::unique_ptr<EdgeConnection>> connections_;
  std::vector<std::unique_ptr<EdgeConnection>> ended_;  // destroyed on the next turn
  std::map<SessionId, ConnectionId> sessions_;          // established, here
  std::map<std::string, std::uint32_t> per_address_;
  std::map<std::uint64_t, ConnectionId> openings_;  // by nonce
  std::map<std::uint64_t, ConnectionId> tickets_;
  std::deque<InboxItem> deferred_;  // came while others were dealt with
  std::vector<InboxItem> spare_items_;
  std::vector<ConnectionId> ready_;
  std::vector<ConnectionId> dirty_;
  Fifo<ConnectionId> told_;
  bool telling_later_ = false;
  std::vector<SessionId> touched_;  // since the last Touch was sent
  std::uint64_t touch_number_ = 1;
  Instant turn_;
  std::uint64_t last_connection_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::uint64_t last_session_ = 0;
  bool resubmit_soon_ = false;
  bool pumping_ = false;
  bool processing_ = false;
  std::uint64_t state_bytes_ = 0;  // when the pump began to turn
  std::uint64_t crowds_ = 0;       // that were said, or too soon after another
  Instant crowded_said_;
  Instant slow_second_;          // in which slow requests were said
  std::uint64_t slow_said_ = 0;  // in it
  bool serving_lost_ = false;    // for longer than a change of leader takes
  bool draining_ = false;
  std::function<void()> drained_;
  Instant not_serving_since_;
  Instant touched_at_;
  Instant swept_at_;
  ports::Scope scope_;
};

template <typename F>
void Edge::with_state(F f) {
  for (;;) {
    std::vector<InboxItem> items = std::move(spare_items_);
    items.clear();
    {
      const ports::ReadHold hold(shared_.gate, options_.index);
      Inbox& inbox = shared_.inboxes[options_.index];
      if (inbox.items.empty()) {
        f(std::as_const(shared_.state));
        inbox.watched = !watches_.empty();
        spare_items_ = std::move(items);
        return;
      }
      items.swap(inbox.items);
      stats_.reply.add(lane_.now() - inbox.since);
    }
    process_inbox(items);
    spare_items_ = std::move(items);  // its memory is used again
  }
}

}  // namespace synod::coordinator
