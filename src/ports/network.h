// The network: dial, listen, resolve.
//
// Errors  refused   the other host said at once that nobody listens there;
//         timed_out / unreachable   silence. The two are told apart everywhere: a refused
//         connection may mean a dead process, silence never proves anything.
// Threads Called on the Lane that is passed; callbacks come on it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "ports/address.h"
#include "ports/stream.h"

namespace synod::ports {

class Lane;

// TLS settings; a Stream dialled or accepted with them has finished its handshake when it is handed
// out. Paths name PEM files. Empty `certificate_path` means plain TCP.
struct Tls {
  std::string certificate_path;
  std::string key_path;
  std::string authority_path;
  // A server: ask clients for a certificate and refuse those without one.
  bool require_peer_certificate = false;

  bool enabled() const { return !certificate_path.empty() || !authority_path.empty(); }
};

// An attempt under way. Destroying it abandons the attempt; no callback follows.
class Dial {
 public:
  virtual ~Dial() = default;
};

// A listening socket. Destroying it stops listening; Streams already handed out live on.
class Listener {
 public:
  virtual ~Listener() = default;
  // With the port that the kernel chose when 0 was asked for.
  virtual Address address() const = 0;
};

struct DialOptions {
  Duration timeout = Duration::seconds(5);
  Tls tls = {};
};

struct ListenOptions {
  int backlog = 128;
  Tls tls = {};
};

class Network {
 public:
  using Dialled = std::function<void(Result<std::unique_ptr<Stream>>)>;
  using Accepted = std::function<void(std::unique_ptr<Stream>)>;
  using Resolved = std::function<void(Result<std::vector<Address>>)>;

  virtual ~Network() = default;

  // Calls back exactly once unless the Dial is destroyed first. The Stream is not attached yet.
  [[nodiscard]] virtual std::unique_ptr<Dial> dial(Lane& lane, const Address& to,
                                                   const DialOptions& options, Dialled done) = 0;

  // Binds at once; `accepted` is called for every connection. Host "0.0.0.0" or "::" is all
  // addresses.
  virtual Result<std::unique_ptr<Listener>> listen(Lane& lane, const Address& at,
                                                   const ListenOptions& options,
                                                   Accepted accepted) = 0;

  // Numeric hosts resolve to themselves. Exactly one callback, never an empty list.
  virtual void resolve(Lane& lane, const HostPort& endpoint, Resolved done) = 0;

  // Addresses of this machine's interfaces, loopback last; port 0.
  virtual std::vector<Address> local_addresses() const = 0;
};

}  // namespace synod::ports
