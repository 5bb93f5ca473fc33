// The driver's end of HTTP over loopback: connections of one epoll loop that send requests as they
// are made (pipelined) and hand out answers and the records of event streams.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace synod::bench {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Handles what is ready; waits at most so long.
  void turn(int timeout_ms);
  int descriptor() const { return epoll_; }

 private:
  int epoll_;
};

class Connection {
 public:
  struct Handlers {
    // An answer with its body, or, where the answer is an event stream, its head.
    std::function<void(int status, std::string_view head, std::string_view body)> answer;
    // One record of the stream.
    std::function<void(std::string_view record)> record;
    std::function<void(const std::string& why)> lost;
  };

  Connection(Loop& loop, int port, Handlers handlers);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Written at the end of the turn at the latest. `headers` are whole lines.
  void post(std::string_view path, std::string_view headers, std::string_view body);
  void get(std::string_view path);
  std::uint64_t answered() const { return answered_; }

 private:
  friend class Loop;
  void ready(std::uint32_t events);
  void send_some();
  void receive();
  // False: more bytes are needed.
  bool take_answer();
  bool take_chunk();
  void fail(const std::string& why);
  void watch(bool writable);

  Loop& loop_;
  Handlers handlers_;
  int fd_ = -1;
  bool connected_ = false;
  bool writable_watched_ = true;
  bool streaming_ = false;
  std::string out_;
  std::size_t sent_ = 0;
  std::string in_;
  std::size_t read_ = 0;  // of in_
  std::uint64_t answered_ = 0;
};

}  // namespace synod::bench
