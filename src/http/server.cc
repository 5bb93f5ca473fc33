#include "http/server.h"

#include <map>

#include "base/check.h"
#include "http/connection.h"
#include "ports/lane.h"

namespace synod::http {

// --- what handlers hold

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    connection_.swap(other.connection_);
    std::swap(exchange_, other.exchange_);
  }
  return *this;
}

Responder::~Responder() {
  if (const auto connection = connection_.lock()) {
    connection->respond(exchange_, error_response(500, "the request was dropped"));
  }
}

void Responder::respond(Response response) {
  if (const auto connection = std::exchange(connection_, {}).lock()) {
    connection->respond(exchange_, std::move(response));
  }
}

std::unique_ptr<ResponseStream> Responder::stream(Response head) {
  SYNOD_CHECK(head.body.empty());
  auto weak = std::exchange(connection_, {});
  std::uint64_t exchange = exchange_;
  if (const auto connection = weak.lock()) {
    if (!connection->begin_stream(exchange_, std::move(head))) {
      connection->cut(exchange_);
    }
  }
  return std::unique_ptr<ResponseStream>(new ResponseStream(std::move(weak), exchange));
}

bool Responder::is_open() const {
  const auto connection = connection_.lock();
  return connection != nullptr && connection->serves(exchange_);
}

void Responder::on_closed(std::function<void()> callback) {
  if (const auto connection = connection_.lock()) {
    connection->on_gone(exchange_, std::move(callback));
  }
}

ResponseStream::ResponseStream(std::weak_ptr<Connection> connection, std::uint64_t exchange)
    : connection_(std::move(connection)), exchange_(exchange) {}

ResponseStream::~ResponseStream() { end(); }

bool ResponseStream::write_record(ByteView record) {
  const auto connection = connection_.lock();
  return connection != nullptr && connection->write_record(exchange_, record);
}

void ResponseStream::end() {
  if (const auto connection = connection_.lock()) {
    connection->end_stream(exchange_);
  }
}

void ResponseStream::cut() {
  if (const auto connection = connection_.lock()) {
    connection->on_gone(exchange_, nullptr);
    connection->cut(exchange_);
  }
}

bool ResponseStream::is_open() const {
  const auto connection = connection_.lock();
  return connection != nullptr && connection->serves(exchange_);
}

std::size_t ResponseStream::buffered() const {
  const auto connection = connection_.lock();
  return connection == nullptr ? 0 : connection->buffered(exchange_);
}

void ResponseStream::on_closed(std::function<void()> callback) {
  if (const auto connection = connection_.lock()) {
    connection->on_gone(exchange_, std::move(callback));
  }
}

// --- the server

namespace {
// Connections that wait to be accepted. When a master falls all its agents come to the next one at
// once, and one that finds no room asks again a second later.
constexpr int backlog = 4096;
}  // namespace

struct Server::Parts {
  Parts(ports::Lane& on, ports::Network& by, ServerOptions with, Handler to)
      : lane(on), network(by), options(std::move(with)), handler(std::move(to)) {}

  void adopt(std::unique_ptr<ports::Stream> stream) {
    if (connections.size() >= options.connections_max) {
      lane.log().warning("http", "connection from {} refused: {} are open",
                         ports::to_string(stream->peer().address), connections.size());
      return;
    }
    const std::uint64_t id = ++connection_last;
    const auto connection = std::make_shared<Connection>(
        id,
        Connection::Owner{lane, options, handler, date,
                          [this](std::uint64_t ended) { connections.erase(ended); }},
        std::move(stream));
    connections.emplace(id, connection);
    connection->start();
  }

  ports::Lane& lane;
  ports::Network& network;
  const ServerOptions options;
  const Handler handler;
  HttpDate date;
  std::vector<std::unique_ptr<ports::Listener>> listeners;
  // Shared with calls under way inside a connection, which may end itself.
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections;
  std::uint64_t connection_last = 0;
};

Server::Server(ports::Lane& lane, ports::Network& network, ServerOptions options, Handler handler)
    : parts_(std::make_unique<Parts>(lane, network, std::move(options), std::move(handler))) {}

Server::~Server() {
  parts_->listeners.clear();
  for (const auto& [id, connection] : parts_->connections) {
    connection->abandon();
  }
}

Status Server::listen(const ports::Address& at) {
  ports::ListenOptions options;
  options.tls = parts_->options.tls;
  options.backlog = backlog;
  SYNOD_TRY_ASSIGN(auto listener,
                   parts_->network.listen(parts_->lane, at, options,
                                          [this](std::unique_ptr<ports::Stream> stream) {
                                            parts_->adopt(std::move(stream));
                                          }));
  parts_->listeners.push_back(std::move(listener));
  return {};
}

ports::Address Server::address() const {
  SYNOD_CHECK(!parts_->listeners.empty());
  return parts_->listeners.front()->address();
}

void Server::adopt(std::unique_ptr<ports::Stream> stream) { parts_->adopt(std::move(stream)); }

std::size_t Server::connections() const { return parts_->connections.size(); }

void Server::drain() {
  parts_->listeners.clear();
  const auto connections = parts_->connections;
  for (const auto& [id, connection] : connections) {
    connection->drain();
  }
}

}  // namespace synod::http
