// One HTTP/1.1 request on a connection of its own, written and read by hand: the simulator's
// framework shares nothing with the server's code but the JSON reader.
//
// Memory  Destroying it abandons the request; no callback follows.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ports/network.h"
#include "ports/scope.h"
#include "sim/machine.h"

namespace synod::sim::resources {

struct HttpRequest {
  ports::Address to;
  std::string method = "POST";
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  Bytes body;  // JSON
};

struct HttpHead {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
};

struct HttpListener {
  std::function<void(const HttpHead&)> on_head;
  // A piece of the body, chunks unwrapped.
  std::function<void(ByteView)> on_body;
  // Once. Empty: the whole answer came.
  std::function<void(const std::string& failure)> on_end;
};

class RawHttp final : public ports::StreamHandler {
 public:
  RawHttp(SimProcess& process, HttpRequest request, HttpListener listener);
  ~RawHttp() override;

 private:
  enum class Part { head, length, chunk_size, chunk, chunk_end, until_close, done };

  void on_bytes(ByteView bytes) override;
  void on_eof() override;
  void on_closed(const Error& reason) override;

  void dial();
  void send(std::unique_ptr<ports::Stream> stream);
  bool advance();
  bool read_head();
  bool read_chunk_size();
  void give(std::size_t count);
  void end(const std::string& failure);

  SimProcess& process_;
  SimLane& lane_;
  HttpRequest request_;
  HttpListener listener_;
  Part part_ = Part::head;
  Bytes buffer_;
  std::size_t left_ = 0;
  std::unique_ptr<ports::Dial> dial_;
  std::unique_ptr<ports::Stream> stream_;
  ports::Scope scope_;
};

}  // namespace synod::sim::resources
