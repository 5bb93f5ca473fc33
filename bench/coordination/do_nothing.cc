#include "bench/coordination/do_nothing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bench/coordination/stop.h"
#include "bench/coordination/wire.h"

namespace synod::bench {
namespace {

constexpr std::size_t block = 4096;
constexpr std::size_t log_size = 16 << 20;
constexpr std::size_t frame_size_max = 8 << 20;
constexpr std::int32_t no_node = -101;
constexpr std::int32_t unimplemented = -6;

// A ring of blocks that are there already, so that a write changes no metadata.
class FlushedLog {
 public:
  explicit FlushedLog(const std::string& path) {
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC;
    fd_ = ::open(path.c_str(), flags | O_DIRECT | O_DSYNC, 0644);
    direct_ = fd_ >= 0;
    if (!direct_) {  // tmpfs, say
      fd_ = ::open(path.c_str(), flags, 0644);
    }
    reserve(1 << 20);
    std::fill(buffer_, buffer_ + capacity_, '\0');
    for (std::size_t at = 0; at < log_size && ok_; at += capacity_) {
      ok_ = ::pwrite(fd_, buffer_, capacity_, static_cast<off_t>(at)) > 0;
    }
    ok_ = ok_ && ::fsync(fd_) == 0;
  }
  ~FlushedLog() {
    ::free(buffer_);
    ::close(fd_);
  }
  FlushedLog(const FlushedLog&) = delete;
  FlushedLog& operator=(const FlushedLog&) = delete;

  bool ok() const { return ok_; }
  bool empty() const { return size_ == 0; }
  void append(std::string_view bytes) {
    reserve(size_ + bytes.size() + block);
    std::copy(bytes.begin(), bytes.end(), buffer_ + size_);
    size_ += bytes.size();
  }
  bool flush() {
    const std::size_t whole = (size_ + block - 1) / block * block;
    std::fill(buffer_ + size_, buffer_ + whole, '\0');
    at_ = at_ + whole > log_size ? 0 : at_;
    ok_ = ok_ &&
          ::pwrite(fd_, buffer_, whole, static_cast<off_t>(at_)) == static_cast<ssize_t>(whole);
    ok_ = ok_ && (direct_ || ::fdatasync(fd_) == 0);
    at_ += whole;
    size_ = 0;
    return ok_;
  }

 private:
  void reserve(std::size_t size) {
    if (size <= capacity_) {
      return;
    }
    const std::size_t wanted = std::max(size * 2 / block * block, std::size_t{1} << 20);
    auto* grown = static_cast<char*>(::aligned_alloc(block, wanted));
    std::copy(buffer_, buffer_ + size_, grown);
    ::free(buffer_);
    buffer_ = grown;
    capacity_ = wanted;
  }

  int fd_ = -1;
  bool direct_ = false;
  bool ok_ = true;
  char* buffer_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::size_t at_ = 0;
};

struct Node {
  std::string data;
  std::array<char, stat_size> stat{};
  std::unordered_set<std::string> children;
};

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

class Tree {
 public:
  Tree() { nodes_.emplace("/", Node()); }

  Node* find(std::string_view path) {
    const auto it = nodes_.find(path);
    return it == nodes_.end() ? nullptr : &it->second;
  }
  void create(const std::string& path, std::string_view data) {
    nodes_[path].data = data;
    const std::size_t slash = path.rfind('/');
    nodes_[slash == 0 ? "/" : path.substr(0, slash)].children.insert(path.substr(slash + 1));
  }
  bool remove(std::string_view path) {
    const auto it = nodes_.find(path);
    if (it == nodes_.end()) {
      return false;
    }
    const std::size_t slash = path.rfind('/');
    if (Node* parent = find(slash == 0 ? "/" : path.substr(0, slash))) {
      parent->children.erase(std::string(path.substr(slash + 1)));
    }
    nodes_.erase(it);
    return true;
  }

 private:
  std::unordered_map<std::string, Node, Hash, std::equal_to<>> nodes_;
};

struct Connection {
  int fd = -1;
  bool greeted = false;
  bool waits_for_room = false;
  std::string in;
  std::string out;
  std::size_t sent = 0;
};

class Server {
 public:
  explicit Server(const std::string& directory) : log_(directory + "/log") {}

  int run(int port);

 private:
  void accept_all();
  bool read(Connection& connection);
  bool send(Connection& connection, std::uint32_t slot);
  void take(Connection& connection, std::string_view frame);
  void greet(Connection& connection);
  void answer(std::string& out, std::int32_t xid, std::int32_t code, FieldReader& body);
  std::int32_t perform(std::int32_t code, FieldReader& body, FrameWriter* reply);
  void perform_multi(FieldReader& body, FrameWriter& reply);
  void drop(std::uint32_t slot);

  FlushedLog log_;
  Tree tree_;
  int epoll_ = -1;
  int listener_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> touched_;
  std::array<char, 256 << 10> scratch_{};
  std::int64_t zxid_ = 0;
  std::uint64_t sequence_ = 0;
};

int Server::run(int port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!log_.ok() || ::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0 ||
      ::listen(listener_, 1024) != 0) {
    std::perror("do-nothing server");
    return 1;
  }
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = UINT32_MAX;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
  std::array<epoll_event, 512> events{};
  while (!stopped()) {
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), -1);
    touched_.clear();
    for (int i = 0; i < count; ++i) {
      const std::uint32_t slot = events[static_cast<std::size_t>(i)].data.u32;
      if (slot == UINT32_MAX) {
        accept_all();
      } else if (!read(*connections_[slot])) {
        drop(slot);
      } else {
        touched_.push_back(slot);
      }
    }
    if (!log_.empty() && !log_.flush()) {
      std::perror("do-nothing server: log");
      return 1;
    }
    for (const std::uint32_t slot : touched_) {
      if (!send(*connections_[slot], slot)) {
        drop(slot);
      }
    }
  }
  return 0;
}

void Server::accept_all() {
  int fd = -1;
  while ((fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(connections_.size()));
      connections_.emplace_back();
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    connections_[slot] = std::make_unique<Connection>();
    connections_[slot]->fd = fd;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = slot;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void Server::drop(std::uint32_t slot) {
  ::close(connections_[slot]->fd);
  connections_[slot].reset();
  free_.push_back(slot);
}

bool Server::read(Connection& connection) {
  const ssize_t got = ::recv(connection.fd, scratch_.data(), scratch_.size(), 0);
  if (got <= 0) {
    return got < 0 && (errno == EAGAIN || errno == EINTR);
  }
  std::string_view rest(scratch_.data(), static_cast<std::size_t>(got));
  if (!connection.in.empty()) {
    connection.in.append(rest);
    rest = connection.in;
  }
  while (rest.size() >= 4) {
    const std::uint32_t length = read_u32(rest.data());
    if (length > frame_size_max) {
      return false;
    }
    if (rest.size() - 4 < length) {
      break;
    }
    take(connection, rest.substr(4, length));
    rest.remove_prefix(4 + length);
  }
  connection.in = std::string(rest);
  return true;
}

bool Server::send(Connection& connection, std::uint32_t slot) {
  while (connection.sent < connection.out.size()) {
    const ssize_t part = ::send(connection.fd, connection.out.data() + connection.sent,
                                connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (part < 0 && errno != EAGAIN) {
      return false;
    }
    if (part < 0) {
      break;
    }
    connection.sent += static_cast<std::size_t>(part);
  }
  const bool wait = connection.sent < connection.out.size();
  if (!wait) {
    connection.out.clear();
    connection.sent = 0;
  }
  if (wait != connection.waits_for_room) {
    connection.waits_for_room = wait;
    epoll_event event{};
    event.events = wait ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u32 = slot;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }
  return true;
}

void Server::greet(Connection& connection) {
  connection.greeted = true;
  FrameWriter reply(connection.out);
  reply.i32(0);
  reply.i32(30'000);
  reply.i64(connection.fd);
  reply.sized(std::string(16, '\0'));
  reply.byte(0);
}

void Server::take(Connection& connection, std::string_view frame) {
  if (!connection.greeted) {
    greet(connection);
    return;
  }
  FieldReader body(frame);
  const std::int32_t xid = body.i32();
  const std::int32_t code = body.i32();
  const bool reads = code == op::get_data || code == op::exists || code == op::get_children ||
                     code == op::ping || code == op::close;
  if (!reads) {
    ++zxid_;
    log_.append(frame);
  }
  answer(connection.out, xid, code, body);
}

void Server::answer(std::string& out, std::int32_t xid, std::int32_t code, FieldReader& body) {
  const std::size_t start = out.size();
  std::int32_t error = 0;
  {
    FrameWriter reply(out);
    reply.i32(xid);
    reply.i64(zxid_);
    reply.i32(0);
    if (code == op::multi) {
      perform_multi(body, reply);
    } else {
      error = perform(code, body, &reply);
    }
  }
  if (error != 0) {
    out.resize(start);
    FrameWriter reply(out);
    reply.i32(xid);
    reply.i64(zxid_);
    reply.i32(error);
  }
}

std::int32_t Server::perform(std::int32_t code, FieldReader& body, FrameWriter* reply) {
  if (code == op::ping || code == op::close) {
    return 0;
  }
  const std::string_view path = body.sized();
  if (code == op::create) {
    const std::string_view data = body.sized();
    for (std::int32_t entries = body.i32(); entries > 0; --entries) {
      body.i32();
      body.sized(), body.sized();
    }
    std::string name(path);
    if (body.i32() == ephemeral_sequential) {
      name += std::to_string(++sequence_);
    }
    tree_.create(name, data);
    reply->sized(name);
    return 0;
  }
  if (code == op::remove) {
    return tree_.remove(path) ? 0 : no_node;
  }
  Node* node = tree_.find(path);
  if (node == nullptr) {
    return no_node;
  }
  if (code == op::set_data) {
    node->data = body.sized();
    body.i32();
  } else if (code == op::get_data) {
    reply->sized(node->data);
  } else if (code == op::get_children) {
    reply->i32(static_cast<std::int32_t>(node->children.size()));
    for (const std::string& child : node->children) {
      reply->sized(child);
    }
    return 0;
  } else if (code != op::exists) {
    return unimplemented;
  }
  reply->raw({node->stat.data(), node->stat.size()});
  return 0;
}

void Server::perform_multi(FieldReader& body, FrameWriter& reply) {
  std::int32_t code = body.i32();
  bool done = body.byte() != 0;
  body.i32();
  while (!done && code != 0) {
    reply.i32(code);
    reply.byte(0);
    reply.i32(0);
    (void)perform(code, body, &reply);
    code = body.i32();
    done = body.byte() != 0;
    body.i32();
  }
  reply.i32(-1);
  reply.byte(1);
  reply.i32(-1);
}

}  // namespace

int serve_nothing(int port, const std::string& directory) { return Server(directory).run(port); }

}  // namespace synod::bench
