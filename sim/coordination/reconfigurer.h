// A client that changes the members all the time: any set to any set, one by one and as a whole.
//
// What it sees goes into a history of its own, which nobody judges: the others' must be right
// whatever it does.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "sim/coordination/client.h"

namespace synod::sim::coordination {

struct ReconfigurerOptions {
  ClientOptions client;
  std::vector<ports::Address> peers;  // of all servers, by id from 1
  Duration gap_max = Duration::millis(2000);
  // Where a disk may lose what it had, fewer could lose it for good.
  std::size_t voters_min = 1;
  bool whole = false;  // never one by one
  // Told of each whole set of voters, counted from 0, that is asked for. In a turn of the client.
  std::function<void(std::set<std::size_t>)> on_ask;
};

class Reconfigurer final : public ClientListener {
 public:
  Reconfigurer(SimProcess& process, ReconfigurerOptions options);
  // That were told to be done.
  int changes() const { return changes_; }

 private:
  void on_ready() override { think(); }
  void on_lost() override { asked_ = false; }
  void on_reply(const Operation& operation) override;
  void think();
  void send();
  std::string line(std::size_t id, bool observer) const;
  zkwire::ReconfigRequest draw();

  ReconfigurerOptions options_;
  SimLane& lane_;
  Prng prng_;
  History history_;
  bool asked_ = false;
  bool thinking_ = false;
  int changes_ = 0;
  ports::Scope scope_;
  Client client_;
};

}  // namespace synod::sim::coordination
