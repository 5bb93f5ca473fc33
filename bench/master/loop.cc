#include "bench/master/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace synod::bench {
namespace {

constexpr std::size_t piece = 64 << 10;
constexpr const char* headers_end = "\r\n\r\n";

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

// The value of a field of our servers' heads; they spell names always the same.
std::string_view field(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::size_t begin = at + name.size();
  return head.substr(begin, head.find('\r', begin) - begin);
}

}  // namespace

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
Loop::~Loop() { ::close(epoll_); }

void Loop::turn(int timeout_ms) {
  std::array<epoll_event, 512> ready{};
  const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), timeout_ms);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<std::size_t>(i)];
    static_cast<Connection*>(event.data.ptr)->ready(event.events);
  }
}

Connection::Connection(Loop& loop, int port, Handlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) {
    throw std::runtime_error("no more sockets: raise `ulimit -n`");
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0 && errno != EINPROGRESS) {
    throw std::runtime_error("cannot connect: " + std::string(std::strerror(errno)));
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.ptr = this;
  ::epoll_ctl(loop_.descriptor(), EPOLL_CTL_ADD, fd_, &event);
}

Connection::~Connection() { ::close(fd_); }

void Connection::post(std::string_view path, std::string_view headers, std::string_view body) {
  out_.append("POST ").append(path).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n").append(headers);
  out_.append("Content-Length: ").append(std::to_string(body.size())).append(headers_end);
  out_.append(body);
  watch(true);
}

void Connection::get(std::string_view path) {
  out_.append("GET ").append(path).append(" HTTP/1.1\r\nHost: 127.0.0.1").append(headers_end);
  watch(true);
}

void Connection::watch(bool writable) {
  if (fd_ >= 0 && writable != writable_watched_) {
    writable_watched_ = writable;
    epoll_event event{};
    event.events = writable ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = this;
    ::epoll_ctl(loop_.descriptor(), EPOLL_CTL_MOD, fd_, &event);
  }
}

void Connection::fail(const std::string& why) {
  if (fd_ >= 0) {
    ::epoll_ctl(loop_.descriptor(), EPOLL_CTL_DEL, fd_, nullptr);
    handlers_.lost(why);
  }
}

void Connection::ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    connected_ = true;
    send_some();
  }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
    receive();
  }
}

void Connection::send_some() {
  while (sent_ < out_.size()) {
    const ssize_t part = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (part < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (part < 0) {
      fail("send: " + std::string(std::strerror(errno)));
      return;
    }
    sent_ += static_cast<std::size_t>(part);
  }
  out_.clear();
  sent_ = 0;
  watch(false);
}

void Connection::receive() {
  const std::size_t before = in_.size();
  in_.resize(before + piece);
  const ssize_t got = ::recv(fd_, in_.data() + before, piece, 0);
  in_.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    fail(got == 0 ? "closed by the master" : "recv: " + std::string(std::strerror(errno)));
    return;
  }
  while (streaming_ ? take_chunk() : take_answer()) {
  }
  in_.erase(0, read_);
  read_ = 0;
}

bool Connection::take_answer() {
  const std::string_view rest = std::string_view(in_).substr(read_);
  const std::size_t end = rest.find(headers_end);
  if (end == std::string_view::npos) {
    return false;
  }
  const std::string_view head = rest.substr(0, end + 2);
  const int status = static_cast<int>(number(head.substr(9, 3), 10));
  if (!field(head, "Transfer-Encoding: ").empty()) {
    streaming_ = true;
    read_ += end + 4;
    ++answered_;
    handlers_.answer(status, head, {});
    return true;
  }
  const std::size_t size = number(field(head, "Content-Length: "), 10);
  if (rest.size() < end + 4 + size) {
    return false;
  }
  read_ += end + 4 + size;
  ++answered_;
  handlers_.answer(status, head, rest.substr(end + 4, size));
  return true;
}

// One chunk is one record: "size in hex CRLF length LF payload CRLF".
bool Connection::take_chunk() {
  const std::string_view rest = std::string_view(in_).substr(read_);
  const std::size_t line = rest.find("\r\n");
  if (line == std::string_view::npos) {
    return false;
  }
  const std::size_t size = number(rest.substr(0, line), 16);
  if (rest.size() < line + 2 + size + 2) {
    return false;
  }
  read_ += line + 2 + size + 2;
  const std::string_view chunk = rest.substr(line + 2, size);
  handlers_.record(chunk.substr(chunk.find('\n') + 1));
  return true;
}

}  // namespace synod::bench
