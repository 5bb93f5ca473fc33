// One client's connection, as its Edge sees it. Private to the edge.
//
// Phases  fresh (nothing yet: a four-letter word or a ConnectRequest comes), opening (the session's
//         creation or attach is in the log's hands), open, closing.
//
// The requests stand in one FIFO. An entry is ready (its reply is known), a write or a sync (its
// outcome is awaited), deferred (a read that runs when it reaches the head) or barred (the same,
// and a barrier must be passed first: linearizable reads). run() is the only driver: it moves the
// head on, then takes the next frame while the bounds allow. Writes leave for the engine in windows
// and turns (edge_shares.h); edge_writes.cc has that part.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/fifo.h"
#include "coordinator/edge.h"
#include "zkwire/frame.h"

namespace synod::coordinator {

class EdgeConnection final : public ports::StreamHandler {
 public:
  using Id = Edge::ConnectionId;

  EdgeConnection(Edge& edge, Id id, std::unique_ptr<ports::Stream> stream);

  // --- ports::StreamHandler
  void on_bytes(ByteView bytes) override;
  void on_eof() override;
  void on_drained() override;
  void on_closed(const Error& reason) override;

  // --- from the Edge
  void start();
  void run();
  // The next part of what run_later() was asked for.
  void go_on();
  // Hands gathered output to the stream.
  void flush();
  void flush_events();  // unless flush() is still to come
  void opened(const znode::Outcome& outcome);
  void complete(const Applied& item);
  void synced(const Synced& item);
  void changed(const znode::SessionEffect& effect);
  // An event that the connection's identities may see; `frame` is shared by all receivers.
  void deliver(const znode::Trigger& trigger, const Bytes& frame);
  // Everything unanswered is to be submitted again.
  void path_renewed();
  void submit_more();
  // Its turn to submit has come.
  void take_turn();
  void sweep(Instant now, bool serving_lost);
  // Sends what is gathered, then closes.
  void close(const char* why);
  // The same of a client that others suffer from: into the log.
  void cut(const char* why);

  bool closing() const { return phase_ == Phase::closing; }
  bool is_open() const { return phase_ == Phase::open; }
  bool has_unanswered_writes() const { return !writes_.empty(); }
  SessionId session() const { return session_; }
  Generation generation() const { return generation_; }
  const std::string& peer_host() const { return stream_->peer().address.host; }
  std::uint64_t nonce() const { return nonce_; }
  // The line of stat: "/127.0.0.1:4711[1](queued=0,recved=1,sent=1)".
  std::string summary() const;
  // The line of cons.
  std::string details(Instant now) const;
  std::size_t outstanding() const { return pending_.size(); }
  // Not taken by the client.
  std::size_t unread_bytes() const { return stream_->buffered() + out_.size(); }
  bool paused() const { return paused_; }

 private:
  enum class Phase : std::uint8_t { fresh, opening, open, closing };

  struct Pending {
    enum class Kind : std::uint8_t { ready, write, sync, synced, barred, deferred };
    Kind kind = Kind::ready;
    zkwire::RequestHeader header;
    Bytes payload;  // ready: the reply; deferred, barred: the request; sync, synced: the path
    std::uint64_t number = 0;    // write: its sequence; sync, barred: its ticket
    std::size_t held_bytes = 0;  // of the request
    Instant since;
    bool close_after = false;
  };
  struct Write {
    Sequence sequence;
    zkwire::OpCode op = zkwire::OpCode::error;
    Bytes command;
  };

  // A setWatches under way: a part of it in each turn, and nothing behind it meanwhile.
  struct Restore {
    std::int32_t xid = 0;
    zkwire::SetWatchesRequest request;
    std::size_t done = 0;  // watches
  };

  void push(Pending pending, std::size_t held_bytes);
  Pending pop();
  std::size_t writes_due() const;
  bool submit_some(std::size_t& allowance_bytes);
  void submit_again_behind(Sequence last);
  void answer_sync(const Pending& done);

  // --- handshake
  bool answer_four_letter_word();
  void connect(ByteView frame);
  void open_session(const zkwire::ConnectRequest& request);
  void send_session_request();
  void refuse();

  // --- requests
  void leave();
  void take_frame(ByteView frame);
  void take_request(const zkwire::RequestHeader& header, ByteView body);
  void take_write(const zkwire::RequestHeader& header, ByteView body);
  void take_client_write(const zkwire::RequestHeader& header, znode::ClientWrite write,
                         std::size_t size_bytes);
  void take_auth(const zkwire::RequestHeader& header, ByteView body);
  void take_sync(const zkwire::RequestHeader& header, ByteView body);
  void push_write(const zkwire::RequestHeader& header, zkwire::OpCode op,
                  znode::CommandRequest request);
  void push_ready(const zkwire::RequestHeader& header, std::int64_t zxid, zkwire::Code code,
                  const zkwire::Reply& reply, bool close_after);
  void advance();
  void run_read(const zkwire::RequestHeader& header, ByteView body);
  void restore_some();
  void reply_now(std::int32_t xid, std::int64_t zxid, zkwire::Code code,
                 const zkwire::Reply& reply);
  bool run_plain_read(const zkwire::RequestHeader& header, ByteView body);
  void take_barred(const zkwire::RequestHeader& header, ByteView body);
  void send_sync(std::uint64_t ticket);
  bool must_wait() const;
  void put(ByteView frame);
  void put_event(ByteView frame);
  void mark_dirty();
  void touch();
  void sent_reply(Instant since);
  bool takes_output(Instant now);
  void sweep_writes(Instant now);

  Edge& edge_;
  const Id id_;
  std::unique_ptr<ports::Stream> stream_;
  const std::string host_;
  std::string address_;
  zkwire::FrameReader frames_;
  Bytes out_;
  Bytes late_;  // planted: events that wait behind the replies
  Phase phase_ = Phase::fresh;
  bool paused_ = false;
  bool dirty_ = false;  // stands in the edge's list of those with replies
  bool told_ = false;   // stands in the edge's queue of those with events
  bool mirrors_read_only_ = false;

  SessionId session_;
  Generation generation_;
  Bytes password_;
  std::int32_t timeout_ms_ = 0;
  std::vector<zkwire::Id> identities_;

  // opening
  std::uint64_t nonce_ = 0;
  bool attaching_ = false;
  bool request_sent_ = false;

  Fifo<Pending> pending_;
  std::size_t pending_reads_ = 0;  // neither ready nor write: writes behind the first one wait
  // Of the barrier that was asked for in this turn: whatever was read off the stream before the
  // turn began may share it. 0: none.
  std::uint64_t shared_ticket_ = 0;
  std::unique_ptr<Restore> restore_;
  Fifo<Write> writes_;  // unanswered, by sequence
  EdgeShare share_;
  Sequence next_sequence_{1};
  Sequence submitted_;  // the last one that was handed to the engine since the path is what it is
  Instant submitted_at_;
  // Unanswered writes are submitted again after this, twice as long each time.
  static constexpr Duration patience_min = Duration::seconds(1);
  Duration patience_ = patience_min;  // before unanswered writes are submitted again unasked
  std::uint64_t written_bytes_ = 0;   // to the stream
  std::uint64_t taken_bytes_ = 0;     // of these, when the last sweep looked
  Instant taken_at_;  // the client took something of what it is sent, or had all of it

  // for the four-letter words
  Instant established_;
  Instant heard_;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
  std::int32_t last_xid_ = -1;
  std::int64_t last_zxid_ = 0;
  std::int32_t last_op_ = 0;   // 0: none yet
  std::uint64_t touched_ = 0;  // Edge::touch_number
};

}  // namespace synod::coordinator
