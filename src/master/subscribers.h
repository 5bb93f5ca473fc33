// The open event streams: of frameworks and of agents.
//
// Each has a number, by which the core knows it, and a random id, by which calls name it. A stream
// leaves the table when its peer goes away or it is closed; its number is never used again.
//
// Threads  Confined to the Door's Lane.
// Memory   Owns the streams.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "http/server.h"
#include "master/core/types.h"
#include "mesos/encoding.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::master {

struct Subscriber {
  core::Stream stream;
  std::string id;
  mesos::Encoding encoding = mesos::Encoding::json;
  bool is_agent = false;
  core::FrameworkId framework;  // once the core has subscribed it
  core::AgentId agent;          // once the core has registered it
  std::unique_ptr<http::ResponseStream> out;
  ports::TimerId heartbeat;
};

class Subscribers {
 public:
  // `gone` is called when a peer went away or was cut, not after close().
  Subscribers(ports::Lane& lane, std::function<void(core::Stream)> gone);
  ~Subscribers();
  Subscribers(const Subscribers&) = delete;
  Subscribers& operator=(const Subscribers&) = delete;

  Subscriber& add(std::string id, mesos::Encoding encoding, bool is_agent,
                  std::unique_ptr<http::ResponseStream> out);
  // nullptr if it is not open.
  Subscriber* find(core::Stream stream);
  Subscriber* find(const std::string& id);

  // One record, one chunk. Cuts the stream of a peer that has left too much unread.
  void write(Subscriber& subscriber, ByteView payload);
  // Calls `beat` now and then every interval while the stream is open.
  void start_heartbeats(Subscriber& subscriber, Duration interval,
                        std::function<void(Subscriber&)> beat);
  // The last chunk, then it is forgotten.
  void close(core::Stream stream);
  // All of them, without the last chunk: this master no longer speaks.
  void cut_all();
  std::size_t size() const { return subscribers_.size(); }

 private:
  void beat_later(core::Stream stream, Duration interval, std::function<void(Subscriber&)> beat);
  void forget(core::Stream stream);

  ports::Lane& lane_;
  std::function<void(core::Stream)> gone_;
  std::map<core::Stream, Subscriber> subscribers_;
  std::map<std::string, core::Stream> by_id_;
  std::uint64_t made_ = 0;
  ports::Scope scope_;
};

}  // namespace synod::master
