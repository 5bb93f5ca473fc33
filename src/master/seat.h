// The half of a master that decides: the core, the registry, the right to lead.
//
// The Door speaks only while it is vouched for, and for short spans only: a master that was
// stopped, or cut off, is silent before anybody else can lead, without having to notice what
// happened to it.
//
// Threads  Confined to its Lane. receive() is called there (through a Sender).
// Memory   Owns the core and the registry.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "master/core/core.h"
#include "master/messages.h"
#include "master/options.h"
#include "master/registry.h"
#include "master/store.h"
#include "ports/lane.h"
#include "ports/scope.h"
#include "ports/sender.h"

namespace synod::master {

// The leader before this one was seen to go.
struct LeaderLoss {
  WallTime at;
  Instant noticed;
};

class Seat {
 public:
  // `fatal`: this process must end, at once; called once.
  Seat(ports::Lane& lane, Store& store, const Options& options, Identity identity,
       ports::Sender<Parcel> door, std::function<void(const std::string& why)> fatal);
  ~Seat();
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  void receive(ToSeat message);

  // ---- what the election says
  // Another leads, or nobody.
  void follow(std::optional<Identity> leader);
  // This master's candidate is the first; its epoch is not raised yet.
  void stand_first();
  // The epoch is raised. `candidate` is the path of its node.
  void lead(const core::Leadership& leadership, const std::string& candidate,
            const std::optional<LeaderLoss>& loss);
  // What became of the leader before: its process ended, or it is only silent.
  void predecessor(bool died);
  // Until then nobody else leads.
  void vouch(Instant until);
  // The right to lead is gone.
  void end(const std::string& why);
  void masters(std::vector<Identity> all) { masters_ = std::move(all); }

  bool leading() const { return standing_.role == Standing::Role::leading; }
  // nullptr unless it leads.
  const core::Core* core() const { return core_.get(); }

 private:
  void on(Opened message);
  void on(const Closed& message);
  void on(FrameworkCall message);
  void on(AgentCall message);
  void on(OperatorCall message);
  void on(const Explain& message);
  void on(const WantPicture& message);

  void make_registry();
  void taken(const std::optional<ReignRecord>& before);
  void begin_failover(const ReignRecord& before, std::size_t agents);
  void step(core::EventBody body);
  void perform(core::Effects effects);
  void perform_own(core::Effect& effect);
  void watch_failover(const core::Effects& effects);
  void chronicle(const core::Effect& effect);
  void happen(const std::string& kind, const std::string& text);
  void wake_at(Instant at);
  void turn_later();

  void say(ToDoor message);
  void flush();
  void answer(Exchange exchange, int status, std::string body);

  ports::Lane& lane_;
  Store& store_;
  const Options& options_;
  Identity identity_;
  ports::Sender<Parcel> door_;
  std::function<void(const std::string&)> fatal_;
  bool ended_ = false;

  Standing standing_;
  std::vector<Identity> masters_;
  std::optional<LeaderLoss> loss_;
  bool predecessor_died_ = false;
  Instant elected_at_;
  WallTime elected_wall_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<core::Core> core_;
  std::optional<Failover> failover_;
  Instant failover_start_;
  ports::TimerId wake_;
  std::deque<Parcel> outbox_;  // what found no room in the Door's queue
  bool flushing_ = false;      // a timer will try again
  ports::Scope scope_;
};

}  // namespace synod::master
