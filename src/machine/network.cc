#include "machine/network.h"

#include <ifaddrs.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <map>

#include "base/check.h"
#include "machine/lane.h"
#include "machine/resolver.h"
#include "machine/socket_address.h"
#include "machine/stream.h"
#include "machine/tls.h"
#include "machine/watch.h"
#include "ports/scope.h"

namespace synod::machine {
namespace {

constexpr Duration accept_handshake_timeout = Duration::seconds(10);
constexpr Duration accept_pause = Duration::millis(100);
constexpr int turn_accepts_max = 64;

Result<Descriptor> make_socket(int family) {
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) {
    return last_error("socket");
  }
  return socket;
}

void set_option(int socket, int level, int name, int value) {
  (void)::setsockopt(socket, level, name, &value, sizeof(value));
}

// Becomes a Stream: at once, or after a TLS handshake. Used by both sides.
class Opening {
 public:
  using Done = std::function<void(Result<std::unique_ptr<ports::Stream>>)>;

  Opening(ThreadLane& lane, Done done) : lane_(lane), done_(std::move(done)), waiter_(lane) {}

  ~Opening() {
    waiter_.release();
    lane_.cancel(timer_);
  }

  void set_timeout(Duration timeout, std::string what) {
    timer_ = lane_.after(timeout, scope_.wrap([this, what = std::move(what)] {
      fail(Error{ErrorCode::timed_out, what + ": no answer in time"});
    }));
  }

  void connect(const ports::Address& to, const SocketAddress& target,
               std::shared_ptr<TlsContext> tls) {
    what_ = "connect " + ports::to_string(to);
    peer_.address = to;
    auto socket = make_socket(target.family());
    if (!socket.ok()) {
      fail_later(with_context(what_, std::move(socket).error()));
      return;
    }
    socket_ = std::move(socket).value();
    tls_context_ = std::move(tls);
    set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    if (::connect(socket_.get(), target.get(), target.size) != 0 && errno != EINPROGRESS) {
      fail_later(last_error(what_));
      return;
    }
    waiter_.assign(socket_.get());
    waiter_.wait_writable([this] { on_connected(); });
  }

  void accepted(Descriptor socket, ports::Address from, std::shared_ptr<TlsContext> tls) {
    what_ = "accept " + ports::to_string(from);
    peer_.address = std::move(from);
    transport_ = make_tls_transport(tls, std::move(socket));
    waiter_.assign(transport_->descriptor());
    step();
  }

 private:
  void on_connected() {
    int number = 0;
    socklen_t size = sizeof(number);
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &number, &size);
    if (number != 0) {
      fail(error_of(number, what_));
      return;
    }
    // A connection to a free port of the ephemeral range can meet itself.
    if (local_address_of(socket_.get()) == peer_.address) {
      fail(error_of(ECONNREFUSED, what_));
      return;
    }
    if (tls_context_ == nullptr) {
      waiter_.release();
      succeed(make_socket_transport(std::move(socket_)));
      return;
    }
    transport_ = make_tls_transport(tls_context_, std::move(socket_));
    step();
  }

  void step() {
    const IoResult result = transport_->handshake();
    switch (result.kind) {
      case IoResult::Kind::done:
        peer_.certificate_subject = transport_->peer_subject();
        waiter_.release();
        succeed(std::move(transport_));
        return;
      case IoResult::Kind::want_read: waiter_.wait_readable([this] { step(); }); return;
      case IoResult::Kind::want_write: waiter_.wait_writable([this] { step(); }); return;
      case IoResult::Kind::end_of_file:
        fail(Error{ErrorCode::closed, what_ + ": closed during the TLS handshake"});
        return;
      case IoResult::Kind::failed: fail(with_context(what_, result.error)); return;
    }
  }

  // `done` may destroy this object: nothing of it is touched afterwards.
  void succeed(std::unique_ptr<Transport> transport) {
    lane_.cancel(std::exchange(timer_, ports::TimerId()));
    Done done = std::move(done_);
    done(make_stream(std::move(transport), peer_));
  }

  void fail(Error error) {
    waiter_.release();
    lane_.cancel(std::exchange(timer_, ports::TimerId()));
    Done done = std::move(done_);
    done(std::move(error));
  }

  void fail_later(Error error) {
    lane_.post(scope_.wrap([this, error = std::move(error)] { fail(error); }));
  }

  ThreadLane& lane_;
  Done done_;
  std::string what_;
  ports::Peer peer_;
  Descriptor socket_;                        // until the transport takes it
  std::shared_ptr<TlsContext> tls_context_;  // shared with the listener
  std::unique_ptr<TlsTransport> transport_;
  Waiter waiter_;
  ports::TimerId timer_;
  ports::Scope scope_;
};

class TcpDial final : public ports::Dial {
 public:
  TcpDial(ThreadLane& lane, Opening::Done done) : opening_(lane, std::move(done)) {}
  Opening& opening() { return opening_; }

 private:
  Opening opening_;
};

// A dial that cannot even begin.
class FailedDial final : public ports::Dial {
 public:
  FailedDial(ThreadLane& lane, Error error, ports::Network::Dialled done) {
    lane.post(scope_.wrap([error = std::move(error), done = std::move(done)] { done(error); }));
  }

 private:
  ports::Scope scope_;
};

class TcpListener final : public ports::Listener {
 public:
  TcpListener(ThreadLane& lane, Descriptor socket, std::shared_ptr<TlsContext> tls,
              ports::Network::Accepted accepted)
      : lane_(lane),
        socket_(std::move(socket)),
        address_(local_address_of(socket_.get())),
        tls_(std::move(tls)),
        accepted_(std::move(accepted)),
        waiter_(lane) {
    waiter_.assign(socket_.get());
    arm();
  }

  ~TcpListener() override {
    *alive_ = false;
    waiter_.release();
    lane_.cancel(pause_);
  }

  ports::Address address() const override { return address_; }

 private:
  void arm() {
    waiter_.wait_readable([this] { accept_some(); });
  }

  void accept_some() {
    const auto alive = alive_;  // the user may drop the Listener in a callback
    for (int i = 0; i < turn_accepts_max; ++i) {
      SocketAddress from;
      Descriptor socket(
          ::accept4(socket_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.is_open()) {
        if (errno == EAGAIN) {
          break;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          rest(errno);
          return;
        }
        continue;  // that connection is gone already
      }
      set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      hand_out(std::move(socket), from_socket_address(from.get()));
      if (!*alive) {
        return;
      }
    }
    arm();
  }

  void hand_out(Descriptor socket, ports::Address from) {
    if (tls_ == nullptr) {
      accepted_(make_stream(make_socket_transport(std::move(socket)), ports::Peer{from, ""}));
      return;
    }
    const std::uint64_t id = ++opening_last_;
    auto opening =
        std::make_unique<Opening>(lane_, [this, id](Result<std::unique_ptr<ports::Stream>> stream) {
          // On a later turn: the Opening that calls must not die inside its own call.
          lane_.post(scope_.wrap([this, id] { openings_.erase(id); }));
          if (stream.ok()) {
            accepted_(std::move(stream).value());
          } else {
            lane_.log().debug("network", "{}", to_string(stream.error()));
          }
        });
    Opening& begun = *opening;
    openings_.emplace(id, std::move(opening));
    begun.set_timeout(accept_handshake_timeout, "TLS handshake with " + ports::to_string(from));
    begun.accepted(std::move(socket), std::move(from), tls_);
  }

  // Out of descriptors: the connection stays in the backlog until some are free again.
  void rest(int number) {
    lane_.log().warning("network", "{}", to_string(error_of(number, "accept")));
    pause_ = lane_.after(accept_pause, scope_.wrap([this] { accept_some(); }));
  }

  ThreadLane& lane_;
  Descriptor socket_;
  const ports::Address address_;
  std::shared_ptr<TlsContext> tls_;  // shared with handshakes under way
  ports::Network::Accepted accepted_;
  Waiter waiter_;
  ports::TimerId pause_;
  std::map<std::uint64_t, std::unique_ptr<Opening>> openings_;
  std::uint64_t opening_last_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // outlives us within accept_some
  ports::Scope scope_;
};

Result<Descriptor> open_listener(const ports::Address& at, int backlog) {
  SYNOD_TRY_ASSIGN(const SocketAddress address, to_socket_address(at));
  SYNOD_TRY_ASSIGN(Descriptor socket, make_socket(address.family()));
  set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) {
    set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, at.host == "::" ? 0 : 1);
  }
  if (::bind(socket.get(), address.get(), address.size) != 0 ||
      ::listen(socket.get(), backlog) != 0) {
    return last_error("listen on " + ports::to_string(at));
  }
  return socket;
}

class TcpNetwork final : public ports::Network {
 public:
  explicit TcpNetwork(Log& log) : log_(log) {}

  std::unique_ptr<ports::Dial> dial(ports::Lane& lane, const ports::Address& to,
                                    const ports::DialOptions& options, Dialled done) override {
    auto& thread = static_cast<ThreadLane&>(lane);
    const auto target = to_socket_address(to);
    if (!target.ok()) {
      return std::make_unique<FailedDial>(thread, target.error(), std::move(done));
    }
    std::shared_ptr<TlsContext> tls;
    if (options.tls.enabled()) {
      auto made = make_tls_context(options.tls, TlsRole::client);
      if (!made.ok()) {
        return std::make_unique<FailedDial>(thread, std::move(made).error(), std::move(done));
      }
      tls = std::move(made).value();
    }
    auto dial = std::make_unique<TcpDial>(thread, std::move(done));
    dial->opening().set_timeout(options.timeout, "connect " + ports::to_string(to));
    dial->opening().connect(to, *target, std::move(tls));
    return dial;
  }

  Result<std::unique_ptr<ports::Listener>> listen(ports::Lane& lane, const ports::Address& at,
                                                  const ports::ListenOptions& options,
                                                  Accepted accepted) override {
    std::shared_ptr<TlsContext> tls;
    if (options.tls.enabled()) {
      SYNOD_TRY_ASSIGN(tls, make_tls_context(options.tls, TlsRole::server));
    }
    SYNOD_TRY_ASSIGN(Descriptor socket, open_listener(at, options.backlog));
    return std::unique_ptr<ports::Listener>(std::make_unique<TcpListener>(
        static_cast<ThreadLane&>(lane), std::move(socket), std::move(tls), std::move(accepted)));
  }

  void resolve(ports::Lane& lane, const ports::HostPort& endpoint, Resolved done) override {
    auto& thread = static_cast<ThreadLane&>(lane);
    if (to_socket_address({endpoint.host, endpoint.port}).ok()) {
      thread.post([endpoint, done = std::move(done)] {
        done(std::vector<ports::Address>{{endpoint.host, endpoint.port}});
      });
      return;
    }
    resolver().resolve(thread, endpoint, std::move(done));
  }

  std::vector<ports::Address> local_addresses() const override {
    std::vector<ports::Address> found;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
      return found;
    }
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr) {
        continue;
      }
      const auto address = from_socket_address(entry->ifa_addr);
      if (!address.host.empty()) {
        found.push_back(address);
      }
    }
    ::freeifaddrs(list);
    std::stable_partition(found.begin(), found.end(),
                          [](const ports::Address& a) { return !ports::is_loopback(a); });
    return found;
  }

 private:
  // Its thread starts with the first name that needs it.
  Resolver& resolver() {
    const std::lock_guard lock(mutex_);
    if (resolver_ == nullptr) {
      resolver_ = std::make_unique<Resolver>(log_);
    }
    return *resolver_;
  }

  Log& log_;
  std::mutex mutex_;
  std::unique_ptr<Resolver> resolver_;
};

}  // namespace

std::unique_ptr<ports::Network> make_network(Log& log) { return std::make_unique<TcpNetwork>(log); }

}  // namespace synod::machine
