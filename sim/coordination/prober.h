// A client that writes all the time, one request after the other, and knows when it was served
// last.
#pragma once

#include <utility>

#include "sim/coordination/client.h"

namespace synod::sim::coordination {

class Prober final : public ClientListener {
 public:
  Prober(SimProcess& process, History& history, const ClientOptions& options);
  // When the last answer came; the beginning of time before the first.
  Instant served_at() const { return served_at_; }
  // Of the slowest answer since the last call.
  Duration take_slowest() { return std::exchange(slowest_, Duration()); }

 private:
  void on_ready() override { send(); }
  void on_lost() override { asked_ = false; }
  void on_reply(const Operation& operation) override;
  void send();

  SimProcess& process_;
  SimLane& lane_;
  int number_ = 0;
  Instant served_at_;
  Instant asked_at_;
  Duration slowest_;
  int tags_ = 0;
  bool asked_ = false;
  ports::Scope scope_;
  Client client_;
};

}  // namespace synod::sim::coordination
