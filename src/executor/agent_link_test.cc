#include "executor/agent_link.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/server.h"
#include "mesos/encoding.h"
#include "mesos/recordio.h"
#include "mesos/v1.h"
#include "mesos/v1/executor.pb.h"
#include "test/real/real.h"

namespace synod::executor {
namespace {

namespace v1 = ::mesos::v1;
using v1::executor::Call;

v1::TaskStatus status(const std::string& uuid, v1::TaskState state) {
  v1::TaskStatus made;
  made.mutable_task_id()->set_value("t1");
  made.set_uuid(uuid);
  made.set_state(state);
  return made;
}

// An agent that answers when the test says so.
class AgentLinkTest : public testing::Test {
 protected:
  AgentLinkTest() {
    real.on_lane([this] {
      server = std::make_unique<http::Server>(
          real.lane(), real.machine().network(), http::ServerOptions{},
          [this](const http::Request& request, http::Responder responder) {
            take(request, std::move(responder));
          });
      ASSERT_TRUE(server->listen({"127.0.0.1", 0}).ok());
      AgentLinkOptions options;
      options.framework_id = "f1";
      options.executor_id = "e1";
      options.agent_endpoint = ports::to_string(server->address());
      options.backoff_max = Duration::millis(20);
      link = std::make_unique<AgentLink>(options, real.lane(), real.machine().network(),
                                         real.machine().disk(),
                                         AgentLinkHandler{[](const v1::executor::Event&) {}, {}});
      link->start();
    });
  }

  ~AgentLinkTest() override {
    real.on_lane([this] {
      link.reset();
      subscriber.reset();
      waiting.reset();
      server.reset();
    });
  }

  void take(const http::Request& request, http::Responder responder) {
    Call call;
    ASSERT_TRUE(mesos::decode_protobuf(request.body, call).ok());
    if (call.type() == Call::SUBSCRIBE) {
      subscribe = call;
      waiting = std::make_unique<http::Responder>(std::move(responder));
      return;
    }
    if (call.type() == Call::UPDATE) {
      updates.push_back(call.update().status().uuid());
    }
    http::Response accepted;
    accepted.status = 202;
    responder.respond(std::move(accepted));
  }

  bool asks_to_subscribe() {
    return real.eventually([this] { return waiting != nullptr; });
  }

  // Answers the SUBSCRIBE that waits.
  void welcome() {
    real.on_lane([this] {
      http::Response head;
      head.headers = {{"Content-Type", mesos::protobuf_type}};
      subscriber = waiting->stream(std::move(head));
      waiting.reset();
      v1::executor::Event event;
      event.set_type(v1::executor::Event::SUBSCRIBED);
      subscriber->write_record(mesos::encode_record(mesos::encode_protobuf(event)));
    });
  }

  void send(const std::string& uuid, v1::TaskState state) {
    real.on_lane([&] { link->send(status(uuid, state)); });
  }

  bool hears(const std::vector<std::string>& uuids) {
    return real.eventually([&] { return updates == uuids; });
  }

  test::Real real;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<AgentLink> link;
  std::unique_ptr<http::Responder> waiting;
  std::unique_ptr<http::ResponseStream> subscriber;
  Call subscribe;
  std::vector<std::string> updates;
};

TEST_F(AgentLinkTest, updates_go_one_after_the_other) {
  ASSERT_TRUE(asks_to_subscribe());
  welcome();
  send("1", v1::TASK_STARTING);
  send("2", v1::TASK_RUNNING);
  EXPECT_TRUE(hears({"1", "2"}));
}

// A task that ended just while its restarted agent was being asked was never told to be over.
TEST_F(AgentLinkTest, what_happens_while_it_subscribes_is_told_afterwards) {
  ASSERT_TRUE(asks_to_subscribe());
  EXPECT_EQ(subscribe.subscribe().unacknowledged_updates_size(), 0);
  send("1", v1::TASK_FINISHED);
  welcome();
  EXPECT_TRUE(hears({"1"}));
}

TEST_F(AgentLinkTest, what_the_subscription_names_is_not_told_again) {
  ASSERT_TRUE(asks_to_subscribe());
  welcome();
  send("1", v1::TASK_RUNNING);
  ASSERT_TRUE(hears({"1"}));
  real.on_lane([this] { subscriber->cut(); });  // the agent dies before it acknowledges
  ASSERT_TRUE(asks_to_subscribe());
  ASSERT_EQ(subscribe.subscribe().unacknowledged_updates_size(), 1);
  EXPECT_EQ(subscribe.subscribe().unacknowledged_updates(0).status().uuid(), "1");
  send("2", v1::TASK_FINISHED);
  welcome();
  EXPECT_TRUE(hears({"1", "2"}));
}

}  // namespace
}  // namespace synod::executor
