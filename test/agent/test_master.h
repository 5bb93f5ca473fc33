// The master's end of the protocol with agents, as far as a test must play it: registers whoever
// comes, records what is said, says what it is told to.
//
// Threads  Lives on a Lane of its own; every method is called from the test's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/server.h"
#include "machine/machine.h"
#include "mesos/internal.h"

namespace synod::test {

class TestMaster {
 public:
  explicit TestMaster(machine::Machine& machine);
  ~TestMaster();

  std::string address() const { return address_; }
  // From the next event on; streams that are open stay.
  void set_epoch(std::uint64_t counter);

  using TaskStatus = ::mesos::v1::TaskStatus;
  // Updates of a task in the order in which they came first, repeats left out.
  std::vector<TaskStatus> updates(const std::string& task);
  // States of those, as "STARTING RUNNING".
  std::string states(const std::string& task);
  // How often any update of the task came, repeats included.
  int deliveries(const std::string& task);
  std::optional<mesos::internal::AgentCall::Subscribe> last_subscribe();
  std::optional<mesos::internal::AgentCall::Usage> last_usage();
  int subscribes();
  bool has_stream();

  // A command task of framework f1; `command` is run by the shell.
  void launch(const std::string& task, const std::string& command,
              const std::function<void(::mesos::v1::TaskInfo&)>& change = {});
  void kill(const std::string& task, std::optional<Duration> grace = std::nullopt);
  // Acknowledge updates as they come, as frameworks do. On by default.
  void acknowledge(bool on);
  void send(mesos::internal::MasterEvent event);

 private:
  struct Parts;
  template <typename F>
  auto on_lane(F f);

  machine::Machine& machine_;
  ports::Lane& lane_;
  std::string address_;
  std::unique_ptr<Parts> parts_;
};

// Asks again and again until it is true; false after 20 seconds.
bool eventually(const std::function<bool()>& condition);

}  // namespace synod::test
