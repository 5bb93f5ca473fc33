// One ZooKeeper session of the load: a non-blocking socket, bytes in, bytes out, what is under way.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/coordination/load.h"
#include "bench/coordination/wire.h"

namespace synod::bench {

std::int64_t now_nanos();

class Session {
 public:
  // What all sessions of a run share.
  struct Shared {
    Load load;
    std::int64_t run = now_nanos();  // tells runs apart
    std::string payload;
    bool issuing = true;  // off: no reply is answered by a next request
    bool measuring = false;
    Outcome outcome;
    std::uint64_t under_way = 0;
  };

  Session(Shared& shared, int number);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Blocking: connects and opens the session. Empty if it went well.
  std::string open(int port, int timeout_ms);
  // In two steps, for many at once: the request is sent; the answer is there.
  std::string begin_open(int port, int timeout_ms);
  std::string end_open();
  // Blocking: closes the session, so that its ephemerals go.
  void close_session();
  // Sends prepared frames and waits for that many replies (blocking); errors are counted.
  std::string call(const std::string& frames, int replies);
  // The two halves of it.
  std::string send_frames(const std::string& frames);
  std::string await_replies(int replies);

  // --- in the loop
  int descriptor() const { return fd_; }
  // Puts one more request into the output. `due` is where its latency begins.
  void issue(std::int64_t due);
  // Takes what came, issues what it allows, sends. False: the connection is lost.
  bool on_readable(char* scratch, std::size_t size);
  bool send_some();
  bool has_output() const { return sent_ < out_.size(); }
  std::size_t under_way() const { return head_ - tail_; }

 private:
  enum class Kind : std::uint8_t { plain, create_path, create_ephemeral, remove };
  struct Waiting {
    std::int64_t due = 0;
    Kind kind = Kind::plain;
  };

  std::uint32_t draw();
  std::int32_t next_xid() { return ++xid_; }
  void write_read();
  void write_set();
  void write_multi();
  void write_children();
  void write_create_delete();
  void write_ephemeral();
  void push(Kind kind, std::int64_t due);
  void take_reply(std::string_view frame, std::int64_t now);
  std::string read_exactly(char* into, std::size_t size);

  Shared& shared_;
  int number_;
  int fd_ = -1;
  std::int32_t xid_ = 0;
  std::uint64_t random_;
  std::string in_;
  std::string out_;
  std::size_t sent_ = 0;
  std::vector<Waiting> ring_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  Kind next_kind_ = Kind::plain;
  std::uint64_t made_ = 0;  // create_delete: alternates
  std::vector<std::string> to_remove_;
};

// Opens that many more sessions, spread over the ports. Precondition: `sessions` is empty.
std::string open_sessions(Session::Shared& shared, const std::vector<int>& ports, int count,
                          std::vector<std::unique_ptr<Session>>& sessions);

}  // namespace synod::bench
