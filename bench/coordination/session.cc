#include "bench/coordination/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <bit>

namespace synod::bench {
namespace {

constexpr int call_timeout_ms = 60'000;

// "/bench/k00042"
std::array<char, 13> key_path(std::uint32_t key) {
  std::array<char, 13> path = {'/', 'b', 'e', 'n', 'c', 'h', '/', 'k', '0', '0', '0', '0', '0'};
  for (std::size_t i = path.size(); key > 0; key /= 10) {
    path[--i] = static_cast<char>('0' + key % 10);
  }
  return path;
}

}  // namespace

std::int64_t now_nanos() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Session::Session(Shared& shared, int number)
    : shared_(shared),
      number_(number),
      random_(0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(number + 1)),
      // An open loop may have any number under way when a server stands still.
      ring_(std::bit_ceil(static_cast<std::size_t>(shared.load.rate > 0 ? 1 << 16 : 64) +
                          static_cast<std::size_t>(shared.load.outstanding))) {}

Session::~Session() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

std::string Session::read_exactly(char* into, std::size_t size) {
  std::size_t got = 0;
  while (got < size) {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, call_timeout_ms) <= 0) {
      return "no answer in time";
    }
    const ssize_t part = ::recv(fd_, into + got, size - got, 0);
    if (part == 0 || (part < 0 && errno != EAGAIN && errno != EINTR)) {
      return "connection lost";
    }
    got += part > 0 ? static_cast<std::size_t>(part) : 0;
  }
  return {};
}

std::string Session::open(int port, int timeout_ms) {
  std::string error = begin_open(port, timeout_ms);
  return error.empty() ? end_open() : error;
}

std::string Session::begin_open(int port, int timeout_ms) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0) {
    return "cannot connect";
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  std::string hello;
  {
    FrameWriter frame(hello);
    frame.i32(0);
    frame.i64(0);
    frame.i32(timeout_ms);
    frame.i64(0);
    frame.sized(std::string(16, '\0'));
    frame.byte(0);
  }
  if (::send(fd_, hello.data(), hello.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(hello.size())) {
    return "cannot send";
  }
  return {};
}

std::string Session::end_open() {
  std::array<char, 4> length{};
  if (std::string error = read_exactly(length.data(), length.size()); !error.empty()) {
    return error;
  }
  std::string answer(read_u32(length.data()), '\0');
  return answer.size() > 100 ? "a strange answer" : read_exactly(answer.data(), answer.size());
}

std::string Session::call(const std::string& frames, int replies) {
  std::string error = send_frames(frames);
  return error.empty() ? await_replies(replies) : error;
}

std::string Session::send_frames(const std::string& frames) {
  std::size_t sent = 0;
  while (sent < frames.size()) {
    pollfd wait{fd_, POLLOUT, 0};
    ::poll(&wait, 1, call_timeout_ms);
    const ssize_t part = ::send(fd_, frames.data() + sent, frames.size() - sent, MSG_NOSIGNAL);
    if (part < 0 && errno != EAGAIN) {
      return "connection lost";
    }
    sent += part > 0 ? static_cast<std::size_t>(part) : 0;
  }
  return {};
}

std::string Session::await_replies(int replies) {
  std::string body;
  for (int i = 0; i < replies; ++i) {
    std::array<char, 4> length{};
    if (std::string error = read_exactly(length.data(), length.size()); !error.empty()) {
      return error;
    }
    body.resize(read_u32(length.data()));
    if (std::string error = read_exactly(body.data(), body.size()); !error.empty()) {
      return error;
    }
    FieldReader reply(body);
    reply.i32();
    reply.i32(), reply.i32();
    shared_.outcome.failed += reply.i32() != 0 ? 1 : 0;
  }
  return {};
}

void Session::close_session() {
  std::string bytes;
  {
    FrameWriter frame(bytes);
    frame.i32(next_xid());
    frame.i32(op::close);
  }
  (void)call(bytes, 1);
}

// --- requests

std::uint32_t Session::draw() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<std::uint32_t>(random_ >> 32);
}

void Session::push(Kind kind, std::int64_t due) {
  ring_[head_ & (ring_.size() - 1)] = {due, kind};
  ++head_;
  ++shared_.under_way;
}

void Session::write_read() {
  const auto path = key_path(draw() % keys);
  FrameWriter frame(out_);
  frame.i32(next_xid());
  frame.i32(op::get_data);
  frame.sized({path.data(), path.size()});
  frame.byte(0);
}

void Session::write_set() {
  const auto path = key_path(draw() % keys);
  FrameWriter frame(out_);
  frame.i32(next_xid());
  frame.i32(op::set_data);
  frame.sized({path.data(), path.size()});
  frame.sized(shared_.payload);
  frame.i32(-1);
}

void Session::write_multi() {
  FrameWriter frame(out_);
  frame.i32(next_xid());
  frame.i32(op::multi);
  for (int i = 0; i < 10; ++i) {
    const auto path = key_path(draw() % keys);
    frame.i32(op::set_data);
    frame.byte(0);
    frame.i32(-1);
    frame.sized({path.data(), path.size()});
    frame.sized(shared_.payload);
    frame.i32(-1);
  }
  frame.i32(-1);
  frame.byte(1);
  frame.i32(-1);
}

void Session::write_children() {
  FrameWriter frame(out_);
  frame.i32(next_xid());
  frame.i32(op::get_children);
  frame.sized("/bench/list");
  frame.byte(0);
}

void Session::write_create_delete() {
  const std::uint64_t pair = made_++;
  // No name twice in the life of a server: a run may end between a create and its delete.
  const std::string path = "/bench/own/" + std::to_string(shared_.run) + "-" +
                           std::to_string(number_) + "-" + std::to_string(pair / 2);
  FrameWriter frame(out_);
  frame.i32(next_xid());
  if (pair % 2 == 0) {
    frame.i32(op::create);
    frame.sized(path);
    frame.sized(shared_.payload);
    frame.open_acl();
    frame.i32(0);
  } else {
    frame.i32(op::remove);
    frame.sized(path);
    frame.i32(-1);
  }
}

void Session::write_ephemeral() {
  FrameWriter frame(out_);
  frame.i32(next_xid());
  if (!to_remove_.empty()) {
    next_kind_ = Kind::remove;
    frame.i32(op::remove);
    frame.sized(to_remove_.back());
    frame.i32(-1);
    to_remove_.pop_back();
    return;
  }
  next_kind_ = Kind::create_ephemeral;
  frame.i32(op::create);
  frame.sized("/bench/seq/n-");
  frame.sized(shared_.payload);
  frame.open_acl();
  frame.i32(ephemeral_sequential);
}

void Session::issue(std::int64_t due) {
  next_kind_ = Kind::plain;
  switch (shared_.load.work) {
    case Work::read: write_read(); break;
    case Work::write: write_set(); break;
    case Work::mix_90_10: draw() % 10 == 0 ? write_set() : write_read(); break;
    case Work::mix_50_50: draw() % 2 == 0 ? write_set() : write_read(); break;
    case Work::create_delete: write_create_delete(); break;
    case Work::ephemeral: write_ephemeral(); break;
    case Work::multi_ten: write_multi(); break;
    case Work::children: write_children(); break;
  }
  push(next_kind_, due);
}

// --- replies

void Session::take_reply(std::string_view frame, std::int64_t now) {
  const Waiting waiting = ring_[tail_ & (ring_.size() - 1)];
  ++tail_;
  --shared_.under_way;
  const bool failed = frame.size() < reply_header_size || read_i32(frame.data() + 12) != 0;
  if (waiting.kind == Kind::create_ephemeral && !failed) {
    FieldReader body(frame.substr(reply_header_size));
    to_remove_.emplace_back(body.sized());
  }
  if (shared_.measuring) {
    ++shared_.outcome.operations;
    shared_.outcome.latency.add(now - waiting.due);
  }
  shared_.outcome.failed += failed ? 1 : 0;
  if (shared_.issuing && shared_.load.rate <= 0) {
    issue(now);
  }
}

bool Session::on_readable(char* scratch, std::size_t size) {
  const ssize_t got = ::recv(fd_, scratch, size, 0);
  if (got <= 0) {
    return got < 0 && (errno == EAGAIN || errno == EINTR) && send_some();
  }
  std::string_view rest(scratch, static_cast<std::size_t>(got));
  if (!in_.empty()) {
    in_.append(rest);
    rest = in_;
  }
  const std::int64_t now = now_nanos();
  while (rest.size() >= 4) {
    const std::uint32_t length = read_u32(rest.data());
    if (rest.size() - 4 < length) {
      break;
    }
    take_reply(rest.substr(4, length), now);
    rest.remove_prefix(4 + length);
  }
  in_ = std::string(rest);
  return send_some();
}

bool Session::send_some() {
  while (sent_ < out_.size()) {
    const ssize_t part = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (part < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    sent_ += static_cast<std::size_t>(part);
  }
  out_.clear();
  sent_ = 0;
  return true;
}

}  // namespace synod::bench
