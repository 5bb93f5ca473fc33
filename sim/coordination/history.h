// What clients of the coordination service did and saw: all that the checkers may read.
//
// One list of steps in the order of real time; operations and sessions stand beside it. Nothing in
// here comes from inside a server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "zkwire/records.h"

namespace synod::sim::coordination {

struct Operation {
  int client = 0;
  std::int64_t session = 0;
  std::uint64_t connection = 0;  // numbered over all clients
  zkwire::OpCode op = zkwire::OpCode::error;
  zkwire::Request request;
  std::string tag;  // unique text that a write leaves behind; empty for reads
  std::size_t invoked_step = 0;
  // Neither: the connection ended first, and whether it took effect is unknown.
  std::optional<std::size_t> completed_step;
  zkwire::ReplyHeader header;
  zkwire::Reply reply;

  bool completed() const { return completed_step.has_value(); }
  bool succeeded() const { return completed() && header.err == 0; }
};

struct Step {
  enum class Kind {
    invoke,        // operation
    complete,      // operation
    event,         // watch event
    connected,     // session, connection; `fresh`: a new session
    watches_sent,  // setWatches left, with the watches that were open and relative_zxid
    watches_done,  // and was answered
    disconnected,
    expired,  // the server refused the session
  };
  Kind kind = Kind::invoke;
  Instant at;
  int client = 0;
  std::int64_t session = 0;
  std::uint64_t connection = 0;
  std::size_t operation = 0;
  bool fresh = false;
  std::int32_t timeout_ms = 0;  // connected: as the server granted
  std::int64_t zxid = 0;  // event and watches_done: of the header; watches_sent: relative_zxid
  zkwire::WatcherEvent event;
};

struct History {
  std::vector<Step> steps;
  std::vector<Operation> operations;
  std::uint64_t connection_next = 1;
  // Every read was promised to be linearizable, not only those behind a sync.
  bool linearizable_reads = false;
  // Everything was read once, after a sync, when nobody wrote any more.
  bool audited = false;
  // From here on nothing went wrong any more, and nobody but the clients themselves ended anything.
  std::optional<Instant> calm_from;
  // What a client itself found wrong: a reply out of order, bytes that do not decode.
  std::vector<std::string> complaints;
  // Told of every operation whose answer came, from within the client's turn.
  std::function<void(const Operation&)> on_completed;

  std::size_t add(Step step) {
    steps.push_back(std::move(step));
    return steps.size() - 1;
  }
};

bool is_write(zkwire::OpCode op);
// The path that a single (not multi) request names.
const std::string& path_of(const zkwire::Request& request);
std::string describe(const Operation& operation);

}  // namespace synod::sim::coordination
