// One agent as a real process, with real tasks: started, killed, restarted, lied to.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "http/client.h"
#include "http/json.h"
#include "test/agent/test_master.h"

namespace synod::test {
namespace {

namespace v1 = ::mesos::v1;
using mesos::internal::MasterEvent;

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class AgentProcess : public testing::Test {
 protected:
  AgentProcess() : machine_({"", LogLevel::error}), lane_(machine_.start_lane("test")) {
    std::string pattern = (std::filesystem::temp_directory_path() / "synod-agent-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    master_ = std::make_unique<TestMaster>(machine_);
  }

  ~AgentProcess() override {
    stop_agent();
    // Whatever a failed test left running carries this variable.
    for (const auto& process :
         machine_.processes().find_by_environment("SYNOD_CLUSTER", directory_)) {
      (void)machine_.processes().signal(process.id, SIGKILL);
    }
    master_.reset();
    if (HasFailure()) {
      std::fprintf(stderr, "%s\n", read_text(directory_ + "/agent.log").c_str());
    }
    std::filesystem::remove_all(directory_);
  }

  std::unique_ptr<ports::Child> spawn_agent(const std::vector<std::string>& more = {}) {
    ports::ProcessSpec spec;
    spec.argv = {std::string(SYNOD_BINARY_DIR) + "/synod",
                 "agent",
                 "--master=" + master_->address(),
                 "--work_dir=" + directory_ + "/work",
                 "--ip=127.0.0.1",
                 "--port=0",
                 "--resources=cpus:4;mem:4096;disk:1024;ports:[31000-31009]",
                 "--registration_backoff_factor=100ms"};
    spec.argv.insert(spec.argv.end(), more.begin(), more.end());
    spec.env = {{"PATH", "/usr/bin:/bin"}, {"SYNOD_CLUSTER", directory_}};
    using Kind = ports::Descriptor::Kind;
    spec.descriptors = {{1, Kind::append_file, directory_ + "/agent.log"},
                        {2, Kind::append_file, directory_ + "/agent.log"}};
    std::unique_ptr<ports::Child> child;
    machine_.call(lane_, [&] {
      auto spawned = machine_.processes().spawn(lane_, spec);
      SYNOD_CHECK(spawned.ok());
      child = std::move(*spawned);
    });
    return child;
  }

  void start_agent(const std::vector<std::string>& more = {}) {
    const int before = master_->subscribes();
    agent_ = spawn_agent(more);
    ASSERT_TRUE(eventually([&] { return master_->subscribes() > before; }));
  }

  void kill_agent() {
    (void)machine_.processes().signal(agent_->id(), SIGKILL);
    ASSERT_TRUE(eventually([&] { return !machine_.processes().alive(agent_->id()); }));
  }

  void stop_agent() {
    if (agent_ != nullptr) {
      (void)machine_.processes().signal(agent_->id(), SIGTERM);
      eventually([&] { return !machine_.processes().alive(agent_->id()); });
    }
  }

  // A started agent subscribes before it says where it listens, and a killed one leaves its word
  // behind: so it is asked until it answers.
  http::Json ask(const std::string& target) {
    std::optional<http::Json> json;
    EXPECT_TRUE(eventually([&] {
      json = ask_once(target);
      return json.has_value();
    }));
    return json.value_or(http::Json());
  }

  std::optional<http::Json> ask_once(const std::string& target) {
    std::string endpoint = read_text(directory_ + "/work/meta/endpoint");
    endpoint.erase(endpoint.find_last_not_of('\n') + 1);
    const auto address = ports::parse_host_port(endpoint, 1);
    if (!address.ok()) {
      return {};
    }
    std::unique_ptr<http::Client> client;
    std::unique_ptr<http::Call> call;
    std::optional<Result<http::Response>> answer;
    machine_.call(lane_, [&] {
      client = std::make_unique<http::Client>(lane_, machine_.network());
      http::Request request;
      request.target = target;
      call = client->request(*address, request, {},
                             [&](Result<http::Response> got) { answer = std::move(got); });
    });
    eventually([&] {
      bool there = false;
      machine_.call(lane_, [&] { there = answer.has_value(); });
      return there;
    });
    machine_.call(lane_, [&] {
      call.reset();
      client.reset();
    });
    if (!answer.has_value() || !answer->ok()) {
      return {};
    }
    auto json = http::parse_json((*answer)->body);
    return json.ok() ? std::optional<http::Json>(*json) : std::nullopt;
  }

  bool reaches(const std::string& task, const std::string& states) {
    const bool there = eventually([&] { return master_->states(task) == states; });
    EXPECT_EQ(master_->states(task), states);
    return there;
  }

  // Of the task's own process.
  std::int64_t pid_of(const std::string& task) {
    for (const auto& status : master_->updates(task)) {
      if (status.state() == v1::TASK_RUNNING) {
        return status.container_status().executor_pid();
      }
    }
    return 0;
  }

  bool runs(std::int64_t pid) { return machine_.processes().find(pid).ok(); }

  std::string sandbox_file(const std::string& task, const std::string& name) {
    const std::string runs =
        directory_ + "/work/slaves/test-S0/frameworks/f1/executors/" + task + "/runs";
    for (const auto& entry : std::filesystem::directory_iterator(runs)) {
      return entry.path().string() + "/" + name;
    }
    return "";
  }

  machine::Machine machine_;
  ports::Lane& lane_;
  std::string directory_;
  std::unique_ptr<TestMaster> master_;
  std::unique_ptr<ports::Child> agent_;
};

TEST_F(AgentProcess, a_task_runs_to_its_end) {
  start_agent();
  const auto subscribe = master_->last_subscribe();
  EXPECT_FALSE(subscribe->agent_info().has_id());
  EXPECT_TRUE(subscribe->accepts_tasks());
  master_->launch("t1", "echo hello; pwd; echo task=$MESOS_TASK_ID; exit 3");
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING FAILED"));
  const auto updates = master_->updates("t1");
  EXPECT_EQ(updates[2].message(), "Command exited with status 3");
  EXPECT_EQ(updates[2].agent_id().value(), "test-S0");
  EXPECT_EQ(updates[2].executor_id().value(), "t1");
  EXPECT_EQ(updates[2].source(), v1::TaskStatus::SOURCE_EXECUTOR);
  const http::Json logs = ask("/synod/v1/logs?task=t1&stream=stdout");
  const std::string data(logs["data"].as_string());
  EXPECT_EQ(data.substr(0, 6), "hello\n");
  EXPECT_NE(data.find("task=t1\n"), std::string::npos);
  EXPECT_EQ(logs["next_offset"].as_int(), static_cast<std::int64_t>(data.size()));
  // Nothing is left: neither processes nor books.
  EXPECT_TRUE(eventually([&] {
    return machine_.processes().find_by_environment("SYNOD_CLUSTER", directory_).size() == 1;
  }));
  EXPECT_TRUE(eventually([&] { return ask("/synod/v1/agent")["tasks"].items().empty(); }));
}

TEST_F(AgentProcess, a_task_has_exactly_its_three_descriptors) {
  start_agent();
  master_->launch("t1", "ls /proc/$$/fd");
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING FINISHED"));
  EXPECT_EQ(read_text(sandbox_file("t1", "stdout")), "0\n1\n2\n");
}

TEST_F(AgentProcess, a_kill_gives_its_grace_and_no_more) {
  start_agent();
  master_->launch("gentle", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done");
  master_->launch("stubborn", "trap '' TERM; while :; do sleep 0.05; done");
  ASSERT_TRUE(reaches("gentle", "STARTING RUNNING"));
  ASSERT_TRUE(reaches("stubborn", "STARTING RUNNING"));
  // The traps must stand before the signals come.
  const std::int64_t gentle = pid_of("gentle");
  const std::int64_t stubborn = pid_of("stubborn");
  const auto minds_term = [](std::int64_t pid, const char* field) {
    const std::string status = read_text("/proc/" + std::to_string(pid) + "/status");
    const std::size_t at = status.find(field);
    const std::string mask = status.substr(at + std::string(field).size() + 2, 16);
    return at != std::string::npos && (std::stoull(mask, nullptr, 16) & (1ULL << 14)) != 0;
  };
  ASSERT_TRUE(
      eventually([&] { return minds_term(gentle, "SigCgt:") && minds_term(stubborn, "SigIgn:"); }));
  master_->kill("gentle");
  master_->kill("stubborn", Duration::millis(200));
  ASSERT_TRUE(reaches("gentle", "STARTING RUNNING KILLED"));
  ASSERT_TRUE(reaches("stubborn", "STARTING RUNNING KILLED"));
  EXPECT_EQ(read_text(sandbox_file("gentle", "stdout")), "bye\n");
  EXPECT_EQ(master_->updates("stubborn")[2].message(), "Command terminated with signal Killed");
}

TEST_F(AgentProcess, a_task_outlives_its_agent_and_keeps_its_pid) {
  start_agent();
  master_->launch("t1", "exec sleep 1000");
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING"));
  const std::int64_t pid = pid_of("t1");
  for (int round = 0; round < 3; ++round) {
    kill_agent();
    EXPECT_TRUE(runs(pid));
    start_agent();
    const auto subscribe = master_->last_subscribe();
    EXPECT_EQ(subscribe->agent_info().id().value(), "test-S0");
    ASSERT_EQ(subscribe->tasks_size(), 1);
    EXPECT_EQ(subscribe->tasks(0).state(), v1::TASK_RUNNING);
    EXPECT_FALSE(subscribe->tasks(0).has_executor_id());
    EXPECT_EQ(subscribe->highest_seen().counter(), 1U);
    EXPECT_TRUE(runs(pid));
  }
  ASSERT_TRUE(eventually([&] {
    const auto usage = master_->last_usage();
    return usage && usage->tasks_size() == 1 &&
           usage->tasks(0).pid() == static_cast<std::uint64_t>(pid);
  }));
  master_->kill("t1");
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING KILLED"));
  EXPECT_TRUE(eventually([&] { return !runs(pid); }));
}

TEST_F(AgentProcess, an_end_while_the_agent_is_away_is_reported_as_it_was) {
  start_agent();
  const std::string go = directory_ + "/go";
  // The executor of the first waits for the agent; that of the second does not live to tell.
  for (const char* task : {"waits", "dies"}) {
    master_->launch(task, "while [ ! -e " + go + " ]; do sleep 0.02; done; exit 7");
    ASSERT_TRUE(reaches(task, "STARTING RUNNING"));
  }
  const http::Json books = ask("/synod/v1/agent");
  std::int64_t executor = 0;
  for (const http::Json& task : books["tasks"].items()) {
    if (task["id"].as_string() == "dies") {
      executor = task["executor_pid"].as_int();
    }
  }
  kill_agent();
  std::ofstream(go) << "now";
  ASSERT_TRUE(eventually([&] {
    return std::filesystem::exists(sandbox_file("dies", ".synod/end")) &&
           std::filesystem::exists(sandbox_file("waits", ".synod/end"));
  }));
  const auto id = machine_.processes().find(executor);
  ASSERT_TRUE(id.ok());
  ASSERT_TRUE(machine_.processes().signal(*id, SIGKILL).ok());
  ASSERT_TRUE(eventually([&] { return !machine_.processes().alive(*id); }));
  start_agent();
  for (const char* task : {"waits", "dies"}) {
    ASSERT_TRUE(reaches(task, "STARTING RUNNING FAILED"));
    EXPECT_EQ(master_->updates(task)[2].message(), "Command exited with status 7");
  }
}

TEST_F(AgentProcess, an_update_comes_until_it_is_acknowledged_across_restarts) {
  master_->acknowledge(false);
  start_agent();
  master_->launch("t1", "exit 0");
  // Only the first is sent: the framework has acknowledged nothing.
  ASSERT_TRUE(reaches("t1", "STARTING"));
  ASSERT_TRUE(eventually([&] {
    return ask("/synod/v1/agent")["tasks"].items().at(0)["unacknowledged"].as_int() == 3;
  }));
  kill_agent();
  const int before = master_->deliveries("t1");
  start_agent();
  EXPECT_EQ(master_->last_subscribe()->tasks(0).state(), v1::TASK_FINISHED);
  EXPECT_EQ(master_->last_subscribe()->unacknowledged_size(), 1);
  ASSERT_TRUE(eventually([&] { return master_->deliveries("t1") > before; }));
  master_->acknowledge(true);
  kill_agent();
  start_agent();
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING FINISHED"));
}

TEST_F(AgentProcess, an_executor_that_is_killed_takes_its_command_along) {
  start_agent();
  master_->launch("t1", "exec sleep 1000");
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING"));
  const std::int64_t executor =
      ask("/synod/v1/agent")["tasks"].items().at(0)["executor_pid"].as_int();
  const std::int64_t command = pid_of("t1");
  ASSERT_NE(executor, command);
  ASSERT_TRUE(machine_.processes().signal(*machine_.processes().find(executor), SIGKILL).ok());
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING FAILED"));
  EXPECT_EQ(master_->updates("t1")[2].reason(), v1::TaskStatus::REASON_EXECUTOR_TERMINATED);
  EXPECT_FALSE(runs(command));
}

TEST_F(AgentProcess, what_a_task_leaves_behind_is_reaped) {
  start_agent();
  master_->launch("t1", "setsid sleep 1000 & echo $!");
  ASSERT_TRUE(reaches("t1", "STARTING RUNNING FINISHED"));
  EXPECT_TRUE(eventually([&] {
    return machine_.processes().find_by_environment("SYNOD_CLUSTER", directory_).size() == 1;
  }));
}

// Traps 3: the agent dies anywhere between intent, fork, pid and release. No task runs twice, none
// is forgotten, none is left without an owner.
TEST_F(AgentProcess, killed_while_it_launches_it_loses_and_doubles_nothing) {
  const std::string ran = directory_ + "/ran";
  std::filesystem::create_directory(ran);
  int number = 0;
  std::vector<std::string> tasks;
  start_agent();
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 6; ++i) {
      const std::string task = "t" + std::to_string(number++);
      tasks.push_back(task);
      master_->launch(task, "echo x >> " + ran + "/" + task);
    }
    // Each round the knife falls later in the course of things.
    const auto count = [&] {
      return static_cast<int>(std::distance(std::filesystem::directory_iterator(ran), {}));
    };
    const int done = count();
    eventually([&] { return count() >= done + round; });
    kill_agent();
    start_agent();
  }
  for (const std::string& task : tasks) {
    const bool never_came =
        master_->updates(task).empty() && !std::filesystem::exists(ran + "/" + task);
    if (never_came) {
      // The order itself was lost with the connection: a master learns that from what SUBSCRIBE
      // does not list.
      continue;
    }
    EXPECT_TRUE(eventually([&] {
      const auto updates = master_->updates(task);
      return !updates.empty() && (updates.back().state() == v1::TASK_FINISHED ||
                                  updates.back().state() == v1::TASK_FAILED ||
                                  updates.back().state() == v1::TASK_DROPPED);
    })) << task
        << ": " << master_->states(task);
    const std::string lines = read_text(ran + "/" + task);
    EXPECT_LE(lines.size(), 2U) << task << " ran twice";
    const auto last = master_->updates(task).back().state();
    if (last == v1::TASK_FINISHED) {
      EXPECT_EQ(lines, "x\n") << task;
    } else if (last == v1::TASK_DROPPED) {
      EXPECT_EQ(lines, "") << task << " was dropped, but ran";
    }
  }
  EXPECT_TRUE(eventually([&] {
    return machine_.processes().find_by_environment("SYNOD_CLUSTER", directory_).size() == 1;
  }));
}

TEST_F(AgentProcess, an_older_master_is_refused_even_after_a_restart) {
  master_->set_epoch(5);
  start_agent();
  ASSERT_TRUE(eventually([&] { return ask("/synod/v1/agent")["epoch"].as_int() == 5; }));
  master_->set_epoch(4);
  const int before = master_->subscribes();
  master_->launch("t1", "true");
  // It hangs up, and comes back only to be told the same.
  ASSERT_TRUE(eventually([&] { return master_->subscribes() > before; }));
  kill_agent();
  start_agent();
  master_->launch("t2", "true");
  EXPECT_TRUE(eventually([&] { return master_->subscribes() > before + 2; }));
  master_->set_epoch(6);
  ASSERT_TRUE(eventually([&] { return ask("/synod/v1/agent")["registered"].as_bool(); }));
  master_->launch("t3", "true");
  ASSERT_TRUE(reaches("t3", "STARTING RUNNING FINISHED"));
  EXPECT_EQ(master_->states("t1"), "");
  EXPECT_EQ(master_->states("t2"), "");
}

TEST_F(AgentProcess, a_second_agent_on_the_same_work_dir_is_refused) {
  start_agent();
  const auto second = spawn_agent();
  EXPECT_TRUE(eventually([&] { return !machine_.processes().alive(second->id()); }));
  EXPECT_NE(read_text(directory_ + "/agent.log").find("another agent uses --work_dir"),
            std::string::npos);
  master_->launch("t1", "true");
  EXPECT_TRUE(reaches("t1", "STARTING RUNNING FINISHED"));
}

TEST_F(AgentProcess, what_it_cannot_do_it_refuses_with_the_reason) {
  start_agent();
  master_->launch("docker", "true", [](v1::TaskInfo& task) {
    task.mutable_container()->set_type(v1::ContainerInfo::DOCKER);
    task.mutable_container()->mutable_docker()->set_image("x");
  });
  ASSERT_TRUE(reaches("docker", "FAILED"));
  const auto refused = master_->updates("docker")[0];
  EXPECT_EQ(refused.reason(), v1::TaskStatus::REASON_CONTAINER_LAUNCH_FAILED);
  EXPECT_NE(refused.message().find("Docker containers are not supported"), std::string::npos);
  master_->launch("missing", "", [](v1::TaskInfo& task) {
    task.mutable_command()->set_shell(false);
    task.mutable_command()->set_value("/no/such/program");
  });
  ASSERT_TRUE(reaches("missing", "STARTING FAILED"));
  EXPECT_NE(master_->updates("missing")[1].message().find("/no/such/program"), std::string::npos);
}

TEST_F(AgentProcess, a_full_disk_takes_no_tasks) {
  start_agent({"--disk_reserve_mb=1000000000"});
  ASSERT_TRUE(eventually([&] {
    const auto usage = master_->last_usage();
    return usage && !usage->accepts_tasks();
  }));
  EXPECT_NE(master_->last_usage()->why_not().find("disk"), std::string::npos);
  master_->launch("t1", "true");
  ASSERT_TRUE(reaches("t1", "DROPPED"));
}

TEST_F(AgentProcess, a_frameworks_own_executor_runs_below_the_shim) {
  start_agent();
  master_->launch("t1", "", [](v1::TaskInfo& task) {
    task.clear_command();
    task.mutable_executor()->mutable_executor_id()->set_value("e1");
    task.mutable_executor()->mutable_command()->set_value("echo from the executor; exit 4");
    // Its memory holds the shim too; under a sanitizer that is more than the least there is.
    v1::Resource& memory = *task.mutable_executor()->add_resources();
    memory.set_name("mem");
    memory.set_type(v1::Value::SCALAR);
    memory.mutable_scalar()->set_value(512);
  });
  ASSERT_TRUE(reaches("t1", "FAILED"));
  EXPECT_EQ(master_->updates("t1")[0].message(), "Executor exited with status 4");
  EXPECT_EQ(read_text(sandbox_file("e1", "stdout")), "from the executor\n");
}

}  // namespace
}  // namespace synod::test
