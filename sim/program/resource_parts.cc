#include <fmt/format.h>

#include <memory>
#include <utility>

#include "agent/node.h"
#include "election/sentinel.h"
#include "executor/node.h"
#include "executor/shim.h"
#include "master/node.h"
#include "sim/processes.h"
#include "sim/program/parts.h"

namespace synod::sim {
namespace {

constexpr char program_path[] = "/bin/synod";

// Made and begun; the Node may end itself in between, so it is owned from the start.
struct ExecutorProgram {
  ExecutorProgram(SimProcess& process, const executor::Options& options)
      : node(options, process.main_lane(), process.network(), process.disk(), process.processes(),
             [&process](int code) { process.exit(code); }) {
    node.start();
  }
  executor::Node node;
};

Program start_executor(SimProcess& process, Launch& launch) {
  auto options = executor::options_from_environment(launch.spec.env);
  if (!options.ok()) {
    process.main_lane().log().error("executor", "{}", to_string(options.error()));
    process.exit(2);
    return nullptr;
  }
  return std::make_shared<ExecutorProgram>(process, *options);
}

Program start_sentinel(SimProcess& process, Launch& launch) {
  return std::make_shared<election::Sentinel>(process.main_lane(), process.network(),
                                              std::move(launch.pipes[0]),
                                              [&process](int code) { process.exit(code); });
}

ports::HostPort host_port(const ports::Address& address) { return {address.host, address.port}; }

std::string zk_url(const std::vector<ports::Address>& coordinators) {
  std::string url = "zk://";
  for (const ports::Address& address : coordinators) {
    url += (url.back() == '/' ? "" : ",") + to_string(address);
  }
  return url + "/mesos";
}

}  // namespace

void register_programs(World& world) {
  world.programs().add("synod", "executor", start_executor);
  world.programs().add("synod", "sentinel", start_sentinel);
}

Program start_master(SimProcess& process, const resources::MasterPlan& plan) {
  master::Options options;
  for (const ports::Address& address : plan.coordinators) {
    options.zk.servers.push_back(host_port(address));
  }
  options.zk.path = "/mesos";
  options.zk_session_timeout = plan.session_timeout;
  options.listen = plan.listen;
  options.cluster = "sim";
  options.agent_ping_timeout = Duration::seconds(3);
  options.agent_ping_timeouts_max = 4;
  options.agent_reregister_timeout = Duration::seconds(60);
  options.sentinel_command = {program_path, "sentinel"};
  options.planted = plan.planted;
  master::NodePorts ports{process.main_lane(), process.add_lane("door"), process.network(),
                          process.processes()};
  master::NodeHandlers handlers;
  handlers.listening = [](const ports::Address&) {};
  handlers.fatal = [&process](const std::string& why) {
    process.main_lane().log().warning("node", "ends: {}", why);
    process.exit(1);
  };
  auto node = std::make_shared<master::Node>(ports, std::move(options), std::move(handlers));
  node->start();
  return node;
}

Program start_agent(SimProcess& process, const resources::AgentPlan& plan) {
  agent::Options options;
  options.master = zk_url(plan.coordinators);
  options.work_dir = "/work";
  options.program = program_path;
  options.ip = plan.listen.host;
  options.port = plan.listen.port;
  options.hostname = plan.name;
  options.resources = plan.resources;
  options.switch_user = false;
  options.registration_backoff_factor = Duration::millis(300);
  options.zk_session_timeout = Duration::seconds(4);
  options.update_retry_min = Duration::seconds(2);
  options.version = "0.1.0";
  options.planted = plan.planted;
  agent::NodePorts ports{process.main_lane(), process.add_lane("journal"), process.network(),
                         process.disk(),      process.processes(),         process.host()};
  agent::NodeHandler handler;
  handler.ready = [](const ports::Address&) {};
  handler.ended = [&process](const Status& why) {
    process.main_lane().log().warning("node", "ends: {}",
                                      why.ok() ? "in order" : to_string(why.error()));
    process.exit(why.ok() ? 0 : 1);
  };
  auto node = std::make_shared<agent::Node>(options, ports, std::move(handler));
  const Status started = node->start();
  if (!started.ok()) {
    process.main_lane().log().error("node", "cannot start: {}", to_string(started.error()));
    process.exit(1);
  }
  return node;
}

}  // namespace synod::sim
