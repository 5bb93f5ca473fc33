#include "machine/resolver.h"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>
#include <memory>

#include "machine/socket_address.h"

namespace synod::machine {
namespace {

Result<std::vector<ports::Address>> look_up(const ports::HostPort& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int failed =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
  if (failed != 0) {
    return Error{ErrorCode::not_found, "resolve " + endpoint.host + ": " + ::gai_strerror(failed)};
  }
  std::vector<ports::Address> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto address = from_socket_address(entry->ai_addr);
    if (!address.host.empty() &&
        std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  ::freeaddrinfo(list);
  if (addresses.empty()) {
    return Error{ErrorCode::not_found, "resolve " + endpoint.host + ": no address"};
  }
  return addresses;
}

}  // namespace

Resolver::Resolver(Log& log) : lane_("resolver", log), thread_([this] { lane_.run(); }) {
  ::pthread_setname_np(thread_.native_handle(), "resolver");
}

Resolver::~Resolver() {
  lane_.stop();
  thread_.join();
  lane_.end();
}

void Resolver::resolve(ThreadLane& lane, const ports::HostPort& endpoint,
                       ports::Network::Resolved done) {
  lane_.post([&lane, endpoint, done = std::move(done)]() mutable {
    lane.post(
        [found = look_up(endpoint), done = std::move(done)]() mutable { done(std::move(found)); });
  });
}

}  // namespace synod::machine
