// TLS over a connected socket, by OpenSSL.
//
// Threads  A TlsContext may be used by several threads at once; a transport by one.
#pragma once

#include <memory>
#include <string>

#include "machine/transport.h"
#include "ports/network.h"

namespace synod::machine {

enum class TlsRole { client, server };

class TlsContext;

// Reads the PEM files. An authority makes the peer's certificate checked against it; a client
// without one checks against the system's authorities.
Result<std::shared_ptr<TlsContext>> make_tls_context(const ports::Tls& tls, TlsRole role);

class TlsTransport : public Transport {
 public:
  // One step of the handshake: done, or what to wait for, or failed.
  virtual IoResult handshake() = 0;
  // After the handshake: the peer's verified subject in RFC 2253 form, or "".
  virtual std::string peer_subject() const = 0;
};

std::unique_ptr<TlsTransport> make_tls_transport(const std::shared_ptr<TlsContext>& context,
                                                 Descriptor socket);

}  // namespace synod::machine
