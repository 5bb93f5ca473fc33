// A framework on the v1 scheduler API, protobuf over HTTP: one connection for events, one for
// calls, of which a bounded number is unanswered (pipelined).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "bench/coordination/histogram.h"
#include "bench/master/loop.h"

namespace mesos::v1::scheduler {
class Call;
class Event;
}  // namespace mesos::v1::scheduler

namespace synod::bench {

struct Workload {
  std::uint64_t tasks = 0;
  std::uint64_t tasks_per_offer = 1;
  double cpus = 0.1;
  double mem = 16;
  std::size_t window = 256;      // calls without an answer; 0: no limit
  std::string command = "true";  // of each task
  bool one_by_one = false;       // the next ACCEPT after the last task's end
  bool suppress = true;          // once the last task was launched
};

class Scheduler {
 public:
  Scheduler(Loop& loop, int port, Workload work);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  void subscribe();
  bool subscribed() const { return !framework_.empty(); }
  std::uint64_t running() const { return running_; }
  std::uint64_t finished() const { return finished_; }
  std::uint64_t offers_heard() const { return offers_heard_; }
  std::size_t offers() const { return offers_.size(); }
  // Every update acknowledged, every call answered.
  bool quiet() const { return queue_.empty() && unanswered_ == 0; }
  // Begins to accept offers; those that came before wait until then.
  void start();
  std::int64_t first_accept() const { return first_accept_; }
  std::int64_t last_running() const { return last_running_; }
  std::int64_t last_finished() const { return last_finished_; }
  const Histogram& to_running() const { return to_running_; }
  // Calls that have no effect but must be checked and answered.
  void acknowledge_many(std::uint64_t count);

 private:
  struct Offer {
    std::string id;
    std::string agent;
    std::uint64_t fit = 0;
  };
  void heard(std::string_view record);
  void take(const mesos::v1::scheduler::Event& event);
  void use_offers();
  void accept(const Offer& offer, std::uint64_t tasks);
  void decline(const Offer& offer);
  void send(const mesos::v1::scheduler::Call& call);
  void pump();

  Loop& loop_;
  Workload work_;
  int port_;
  std::unique_ptr<Connection> events_;
  std::unique_ptr<Connection> calls_;
  std::string framework_;
  std::string headers_;
  std::deque<std::string> queue_;
  std::size_t unanswered_ = 0;
  std::deque<Offer> offers_;
  bool started_ = false;
  std::uint64_t made_ = 0;
  std::uint64_t offers_heard_ = 0;
  std::uint64_t running_ = 0;
  std::uint64_t finished_ = 0;
  std::int64_t first_accept_ = 0;
  std::int64_t last_running_ = 0;
  std::int64_t last_finished_ = 0;
  std::map<std::string, std::int64_t> accepted_at_;
  Histogram to_running_;
};

}  // namespace synod::bench
