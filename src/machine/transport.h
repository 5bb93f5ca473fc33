// How bytes get in and out of a non-blocking descriptor: plainly, or through TLS.
//
// Threads  used by one thread at a time.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "machine/descriptor.h"

namespace synod::machine {

struct IoResult {
  enum class Kind {
    done,         // `size` bytes moved, at least one
    want_read,    // nothing now; again when readable
    want_write,   // nothing now; again when writable
    end_of_file,  // read only
    failed,       // `error` holds why
  };
  Kind kind = Kind::done;
  std::size_t size = 0;
  Error error;
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual int descriptor() const = 0;
  virtual IoResult read(char* target, std::size_t size) = 0;
  virtual IoResult write(std::span<const iovec> pieces) = 0;
  // No more will be written: half-closes.
  virtual void shutdown_write() = 0;
  // Bytes are decoded and waiting, for which the descriptor need not become readable (TLS).
  virtual bool has_pending() const { return false; }
  // Whether closing with unread bytes would make the kernel drop what was sent (TCP's reset).
  virtual bool resets_on_close() const = 0;
  // The writing end of a pipe: once it has ended there is nothing left to wait for.
  virtual bool write_only() const { return false; }
};

// A connected socket.
std::unique_ptr<Transport> make_socket_transport(Descriptor socket);
// A pipe's end, a terminal, or anything else that read() and write() understand.
std::unique_ptr<Transport> make_pipe_transport(Descriptor pipe);

IoResult io_failed(int number, const std::string& what);

}  // namespace synod::machine
