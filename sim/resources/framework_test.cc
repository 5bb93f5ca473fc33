// The framework against a master of one process that offers, and lets it wait.
#include "sim/resources/framework.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "http/server.h"
#include "sim/network.h"

namespace synod::sim::resources {
namespace {

using http::Json;

// Takes the first ACCEPT at once and leaves the later ones unanswered, while it says again and
// again that the first task runs: each time the framework may kill one of those it knows.
class WaitingMaster {
 public:
  explicit WaitingMaster(SimProcess& process)
      : process_(process),
        server_(process.main_lane(), process.network(), {},
                [this](const http::Request& request, http::Responder responder) {
                  handle(*http::parse_json(request.body), std::move(responder));
                }) {
    EXPECT_TRUE(server_.listen({"10.0.2.1", 5050}).ok());
  }

  std::vector<std::string> accepted;
  std::vector<std::string> waiting;
  std::vector<std::string> killed;

 private:
  void handle(const Json& call, http::Responder responder) {
    const std::string_view type = call["type"].as_string();
    if (type == "SUBSCRIBE") {
      http::Response head;
      head.headers.set("Mesos-Stream-Id", "stream");
      stream_ = responder.stream(std::move(head));
      write(Json::object(
          {{"type", "SUBSCRIBED"},
           {"subscribed",
            Json::object({{"framework_id", Json::object({{"value", "framework"}})}})}}));
      offer();
      return;
    }
    if (type == "ACCEPT") {
      std::vector<std::string> ids;
      for (const Json& task : call.at_path("accept.operations.0.launch.task_infos")->items()) {
        ids.emplace_back(task["task_id"]["value"].as_string());
      }
      auto& list = accepted.empty() ? accepted : waiting;
      list.insert(list.end(), ids.begin(), ids.end());
      if (&list == &waiting) {
        kept_.push_back(std::move(responder));
        return;
      }
    } else if (type == "KILL") {
      killed.emplace_back(call.at_path("kill.task_id.value")->as_string());
    }
    responder.respond(http::Response{202, {}, ""});
  }

  void offer() {
    const auto scalar = [](const char* name, double value) {
      return Json::object(
          {{"name", name}, {"type", "SCALAR"}, {"scalar", Json::object({{"value", Json(value)}})}});
    };
    Json resources = Json::array();
    resources.push(scalar("cpus", 4.0));
    resources.push(scalar("mem", 4000.0));
    Json offers = Json::array();
    offers.push(
        Json::object({{"id", Json::object({{"value", "offer-" + std::to_string(++offers_)}})},
                      {"agent_id", Json::object({{"value", "agent"}})},
                      {"hostname", "a1"},
                      {"resources", resources}}));
    write(Json::object({{"type", "OFFERS"}, {"offers", Json::object({{"offers", offers}})}}));
    if (!accepted.empty()) {
      write(Json::object(
          {{"type", "UPDATE"},
           {"update",
            Json::object(
                {{"status", Json::object({{"task_id", Json::object({{"value", accepted.front()}})},
                                          {"state", "TASK_RUNNING"}})}})}}));
    }
    process_.main_lane().after(Duration::millis(20), scope_.wrap([this] { offer(); }));
  }

  void write(const Json& event) {
    const std::string text = http::to_string(event);
    stream_->write_record(std::to_string(text.size()) + "\n" + text);
  }

  SimProcess& process_;
  http::Server server_;
  std::unique_ptr<http::ResponseStream> stream_;
  std::vector<http::Responder> kept_;
  int offers_ = 0;
  ports::Scope scope_;
};

// Had it been taken before the ACCEPT, the answer would rightly be that there is no such task.
TEST(Framework, a_task_is_not_killed_before_its_accept_was_answered) {
  World world(WorldOptions{});
  SimMachine& masters =
      world.add_machine({.name = "m1", .address = "10.0.2.1", .disk = {}, .clock_offset = {}});
  SimMachine& clients =
      world.add_machine({.name = "f1", .address = "10.0.4.1", .disk = {}, .clock_offset = {}});
  SimProcess& process = masters.start(
      "master", [](SimProcess& self) { return std::make_shared<WaitingMaster>(self); });
  FrameworkOptions options;
  options.masters = {{"10.0.2.1", 5050}};
  options.running = [](const std::string&) { return Amount(); };
  options.agent_total = {1'000'000, 1'000'000'000};  // every offer is the whole agent again
  clients.start("framework",
                [&](SimProcess& self) { return std::make_shared<Framework>(self, options); });
  world.run_for(Duration::millis(10));
  auto& master = *process.program<WaitingMaster>();
  // Shorter than the framework waits for an answer.
  world.run_for(Duration::seconds(5));
  ASSERT_FALSE(master.waiting.empty());
  EXPECT_FALSE(master.killed.empty());
  for (const std::string& id : master.killed) {
    EXPECT_THAT(master.accepted, testing::Contains(id));
  }
}

}  // namespace
}  // namespace synod::sim::resources
