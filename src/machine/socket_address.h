// ports::Address <-> the kernel's socket addresses.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/result.h"
#include "ports/address.h"

namespace synod::machine {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// invalid_argument unless the host is numeric.
Result<SocketAddress> to_socket_address(const ports::Address& address);
// An IPv4 address mapped into IPv6 comes out as IPv4. Other families: host "".
ports::Address from_socket_address(const sockaddr* address);
ports::Address local_address_of(int socket);

}  // namespace synod::machine
