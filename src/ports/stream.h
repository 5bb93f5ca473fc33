// A connection: bytes both ways, in order, until one side ends it. TCP, TLS over TCP, a unix socket
// or a pipe; the user does not see which.
//
// A Stream is made by Network (dial, accept) or Processes (pipes) and may be handed between Lanes
// until attach(), which ties it to one Lane for good.
//
// Order   The handler hears on_bytes any number of times, then at most one on_eof, then exactly one
//         on_closed, after which the Stream may only be destroyed. Destroying it at any time closes
//         at once, drops what was not yet written, and no callback follows.
// Memory  Owned by its user. Bytes given to write() are moved. Views given to on_bytes are valid
//         during the call only. The handler outlives the Stream.
// Threads Confined to the Lane of attach().
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "ports/address.h"

namespace synod::ports {

class Lane;

// Who is on the other side.
struct Peer {
  Address address;
  // TLS only: the verified certificate's subject in RFC 2253 form; empty otherwise.
  std::string certificate_subject;
};

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;

  virtual void on_bytes(ByteView bytes) = 0;
  // The other side will send no more; ours may still write. The usual answer is close().
  virtual void on_eof() = 0;
  // Everything handed to write() has left for the kernel: buffered() is 0 again.
  virtual void on_drained() {}
  // The end. Error::code: closed (after our close() or both ways ended), refused, timed_out, io.
  virtual void on_closed(const Error& reason) = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;

  // Ties the Stream to the Lane and starts reading. Exactly once, before any other call but peer().
  virtual void attach(Lane& lane, StreamHandler& handler) = 0;

  // Queues the bytes; never blocks, never fails. Dropped once closing. The caller watches
  // buffered().
  virtual void write(Bytes bytes) = 0;
  // Bytes queued and not yet taken by the kernel: the caller's high-water mark is its own business.
  virtual std::size_t buffered() const = 0;

  // Stops and starts delivery of on_bytes: how a reader pushes back.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;

  // Sends what is queued, then half-closes: the other side hears on_eof.
  virtual void shutdown_write() = 0;
  // Sends what is queued (for at most a few seconds), then closes; on_closed follows.
  virtual void close() = 0;

  virtual const Peer& peer() const = 0;
};

}  // namespace synod::ports
