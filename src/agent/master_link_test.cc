// The link against a master that is slow to answer, on a simulated network.
#include "agent/master_link.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/convert.h"
#include "http/server.h"
#include "mesos/encoding.h"
#include "mesos/internal.h"
#include "mesos/recordio.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace synod::agent {
namespace {

using mesos::internal::AgentCall;
using mesos::internal::MasterEvent;

const core::MasterIdentity identity{uuid_from_words(1, 2), MasterEpoch(1)};

// Registers everybody, and answers no call before it is told to.
class SlowMaster {
 public:
  explicit SlowMaster(sim::SimProcess& process)
      : server_(process.main_lane(), process.network(), {},
                [this](http::Request request, http::Responder responder) {
                  take(request, std::move(responder));
                }) {
    EXPECT_TRUE(server_.listen({"10.0.0.1", 5050}).ok());
  }

  void answer(std::size_t call) { waiting[call].second.respond(http::text_response(202, "")); }

  std::vector<std::pair<std::string, http::Responder>> waiting;  // task and state, in order

 private:
  void take(const http::Request& request, http::Responder responder) {
    AgentCall call;
    ASSERT_TRUE(mesos::decode_protobuf(request.body, call).ok());
    if (call.type() == AgentCall::SUBSCRIBE) {
      stream_ = responder.stream(http::Response());
      MasterEvent event;
      event.set_type(MasterEvent::REGISTERED);
      set_identity(identity, event.mutable_epoch());
      event.mutable_registered()->mutable_agent_id()->set_value("a1");
      event.mutable_registered()->set_stream_id("s1");
      event.mutable_registered()->set_silence_limit_ms(75'000);
      auto* master = event.mutable_registered()->mutable_master();
      master->set_id("m1");
      master->set_ip(0);
      master->set_port(5050);
      event.mutable_registered()->mutable_versions()->set_protocol(mesos::internal_protocol);
      event.mutable_registered()->mutable_versions()->set_oldest(mesos::internal_protocol_oldest);
      stream_->write_record(mesos::encode_record(mesos::encode_protobuf(event)));
      return;
    }
    const auto& status = call.update().update().status();
    waiting.emplace_back(
        status.task_id().value() + ' ' + ::mesos::v1::TaskState_Name(status.state()),
        std::move(responder));
  }

  std::unique_ptr<http::ResponseStream> stream_;
  http::Server server_;
};

class Agent {
 public:
  explicit Agent(sim::SimProcess& process)
      : link(process.main_lane(), process.network(), "0.1.0",
             {[](const MasterEvent&) {}, [](const std::string& why) { ADD_FAILURE() << why; }}) {
    AgentCall subscribe;
    auto* info = subscribe.mutable_subscribe()->mutable_agent_info();
    info->set_hostname("a1");
    link.connect({"10.0.0.1", 5050}, subscribe);
  }

  void update(const std::string& task, ::mesos::v1::TaskState state) {
    AgentCall call;
    call.set_type(AgentCall::UPDATE);
    auto* update = call.mutable_update()->mutable_update();
    update->mutable_framework_id()->set_value("f1");
    update->mutable_status()->mutable_task_id()->set_value(task);
    update->mutable_status()->set_state(state);
    update->set_latest_state(state);
    link.send(std::move(call));
  }

  MasterLink link;
};

class MasterLinkTest : public ::testing::Test {
 protected:
  MasterLinkTest() {
    sim::SimMachine& server = add_machine("m1", "10.0.0.1");
    sim::SimMachine& client = add_machine("a1", "10.0.0.2");
    master_process_ = &server.start(
        "master", [](sim::SimProcess& process) { return std::make_shared<SlowMaster>(process); });
    world_.run_for(Duration::millis(10));
    agent_process_ = &client.start(
        "agent", [](sim::SimProcess& process) { return std::make_shared<Agent>(process); });
    world_.run_for(Duration::millis(50));
  }

  sim::SimMachine& add_machine(const std::string& name, const std::string& address) {
    sim::MachineOptions options;
    options.name = name;
    options.address = address;
    return world_.add_machine(options);
  }
  SlowMaster& master() { return *master_process_->program<SlowMaster>(); }
  Agent& agent() { return *agent_process_->program<Agent>(); }
  void in_agent(std::function<void()> what) {
    agent_process_->main_lane().deliver(world_.now(), std::move(what));
    world_.run_for(Duration::millis(50));
  }
  void answer(std::size_t call) {
    master_process_->main_lane().deliver(world_.now(), [this, call] { master().answer(call); });
    world_.run_for(Duration::millis(50));
  }
  std::vector<std::string> heard() {
    std::vector<std::string> list;
    for (const auto& [what, responder] : master().waiting) {
      list.push_back(what);
    }
    return list;
  }

  sim::World world_{sim::WorldOptions{}};
  sim::SimProcess* master_process_ = nullptr;
  sim::SimProcess* agent_process_ = nullptr;
};

using ::mesos::v1::TASK_FINISHED;
using ::mesos::v1::TASK_RUNNING;
using List = std::vector<std::string>;

// A running that is sent again (the end is known, or nobody acknowledged it) and the end behind it
// travel on two connections: the framework would hear of the end first.
TEST_F(MasterLinkTest, an_update_waits_for_the_answer_to_the_one_before) {
  ASSERT_TRUE(agent().link.registered());
  in_agent([this] {
    agent().update("t1", TASK_RUNNING);
    agent().update("t1", TASK_FINISHED);
    agent().update("t2", TASK_RUNNING);
  });
  // Other tasks are not held up.
  EXPECT_EQ(heard(), (List{"t1 TASK_RUNNING", "t2 TASK_RUNNING"}));
  answer(1);
  EXPECT_EQ(heard().size(), 2U);
  answer(0);
  EXPECT_EQ(heard(), (List{"t1 TASK_RUNNING", "t2 TASK_RUNNING", "t1 TASK_FINISHED"}));
  EXPECT_FALSE(agent().link.idle());
  answer(2);
  EXPECT_TRUE(agent().link.idle());
}

}  // namespace
}  // namespace synod::agent
