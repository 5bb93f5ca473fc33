#include "machine/transport.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace synod::machine {
namespace {

IoResult moved(ssize_t count) {
  return IoResult{IoResult::Kind::done, static_cast<std::size_t>(count), {}};
}

IoResult read_from(int fd, char* target, std::size_t size) {
  while (true) {
    const ssize_t got = ::read(fd, target, size);
    if (got > 0) {
      return moved(got);
    }
    if (got == 0) {
      return IoResult{IoResult::Kind::end_of_file, 0, {}};
    }
    if (errno == EAGAIN) {
      return IoResult{IoResult::Kind::want_read, 0, {}};
    }
    if (errno == EIO) {  // a terminal whose other side is gone
      return IoResult{IoResult::Kind::end_of_file, 0, {}};
    }
    if (errno != EINTR) {
      return io_failed(errno, "read");
    }
  }
}

IoResult after_write(ssize_t count) {
  if (count >= 0) {
    return moved(count);
  }
  if (errno == EAGAIN || errno == EINTR) {
    return IoResult{IoResult::Kind::want_write, 0, {}};
  }
  return io_failed(errno, "write");
}

class SocketTransport final : public Transport {
 public:
  explicit SocketTransport(Descriptor socket) : socket_(std::move(socket)) {}

  int descriptor() const override { return socket_.get(); }
  IoResult read(char* target, std::size_t size) override {
    return read_from(socket_.get(), target, size);
  }
  IoResult write(std::span<const iovec> pieces) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    return after_write(::sendmsg(socket_.get(), &message, MSG_NOSIGNAL));
  }
  void shutdown_write() override { ::shutdown(socket_.get(), SHUT_WR); }
  bool resets_on_close() const override { return true; }

 private:
  Descriptor socket_;
};

class PipeTransport final : public Transport {
 public:
  explicit PipeTransport(Descriptor pipe) : pipe_(std::move(pipe)) {
    const int flags = ::fcntl(pipe_.get(), F_GETFL);
    write_only_ = (flags & O_ACCMODE) == O_WRONLY;
    ::fcntl(pipe_.get(), F_SETFL, flags | O_NONBLOCK);
  }

  int descriptor() const override { return pipe_.get(); }
  IoResult read(char* target, std::size_t size) override {
    if (!write_only_) {
      return read_from(pipe_.get(), target, size);
    }
    // The loop wakes for a writing end only when its reader has gone.
    pollfd state{pipe_.get(), 0, 0};
    if (::poll(&state, 1, 0) == 1 && (state.revents & (POLLERR | POLLHUP)) != 0) {
      return io_failed(EPIPE, "pipe");
    }
    return IoResult{IoResult::Kind::want_read, 0, {}};
  }
  IoResult write(std::span<const iovec> pieces) override {
    return after_write(::writev(pipe_.get(), pieces.data(), static_cast<int>(pieces.size())));
  }
  void shutdown_write() override {}  // the Stream ends at once and closes it
  bool resets_on_close() const override { return false; }
  bool write_only() const override { return write_only_; }

 private:
  Descriptor pipe_;
  bool write_only_ = false;
};

}  // namespace

IoResult io_failed(int number, const std::string& what) {
  return IoResult{IoResult::Kind::failed, 0, error_of(number, what)};
}

std::unique_ptr<Transport> make_socket_transport(Descriptor socket) {
  return std::make_unique<SocketTransport>(std::move(socket));
}

std::unique_ptr<Transport> make_pipe_transport(Descriptor pipe) {
  return std::make_unique<PipeTransport>(std::move(pipe));
}

}  // namespace synod::machine
