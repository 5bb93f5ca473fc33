#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "coordinator/engine.h"
#include "coordinator/node.h"
#include "sim/program/parts.h"

namespace synod::sim {
namespace {

std::string zoo_cfg(const coordination::ServerPlan& plan, std::uint64_t snapshot_count) {
  std::string text = fmt::format(
      "tickTime={}\ninitLimit=10\nsyncLimit=5\ndataDir=/data\ndataLogDir=/datalog\n"
      "clientPort={}\nclientPortAddress={}\nmaxClientCnxns=0\nsnapCount={}\n",
      plan.tick_ms, plan.client_port, plan.peers[static_cast<std::size_t>(plan.id - 1)].host,
      snapshot_count);
  text += plan.reconfig ? "reconfigEnabled=true\nstandaloneEnabled=false\nskipACL=yes\n" : "";
  text += plan.linearizable_reads ? "synod.linearizableReads=true\n" : "";
  text += plan.lease_ms != 0 ? fmt::format("synod.leaseMs={}\n", plan.lease_ms) : "";
  for (std::size_t i = 0; i < plan.peers.size(); ++i) {
    const bool listed = plan.listed == 0 || i < static_cast<std::size_t>(plan.listed);
    if (!listed && i + 1 != static_cast<std::size_t>(plan.id)) {
      continue;
    }
    // Where voters are in groups one that is in none must be an observer.
    const bool observes =
        listed ? plan.voters != 0 && i >= static_cast<std::size_t>(plan.voters) : plan.groups != 0;
    text += fmt::format("server.{}={}:{}:3888{}\n", i + 1, plan.peers[i].host, plan.peers[i].port,
                        observes ? ":observer" : "");
  }
  for (int group = 1; group <= plan.groups; ++group) {
    std::string members;
    for (int id = group; id <= plan.voters; id += plan.groups) {
      members += fmt::format("{}{}", members.empty() ? "" : ":", id);
    }
    text += fmt::format("group.{}={}\n", group, members);
  }
  return text;
}

}  // namespace

Program start_coordinator(SimProcess& process, const coordination::ServerPlan& plan) {
  auto config = coordinator::parse_zoo_config(zoo_cfg(plan, plan.snapshot_count));
  SYNOD_CHECK(config.ok());
  config->my_id = NodeId(static_cast<std::uint32_t>(plan.id));
  SYNOD_CHECK(coordinator::complete_zoo_config(*config, std::nullopt).ok());
  SimLane& engine = process.main_lane();
  std::vector<ports::Lane*> edges;
  // As on two cores, one Lane for both, or as on more, edges of their own.
  for (int i = 0; i < plan.edge_lanes; ++i) {
    edges.push_back(&process.add_lane(fmt::format("edge{}", i)));
  }
  if (edges.empty()) {
    edges.push_back(&engine);
  }
  coordinator::NodePorts ports{engine,         process.add_lane("journal"),
                               edges,          process.network(),
                               process.disk(), process.gate()};
  coordinator::NodeOptions options;
  options.config = std::move(config).value();
  options.planted = plan.planted;
  options.boot_id = process.host().boot_id();
  options.log_slots_kept = plan.log_slots_kept;
  options.log.first_segment_size_bytes = 64 << 10;
  options.log.segment_size_bytes = 256 << 10;
  options.log.fill_step_size_bytes = 16 << 10;
  if (plan.rules != 0) {
    options.release = {RulesVersion(plan.rules), plan.peer_format};
  }
  if (plan.small_queues) {
    options.batch_commands_max = 4;
    coordinator::EdgeShareLimits& shares = options.edge_shares.emplace();
    shares.held_bytes_max = 1 << 20;
    shares.in_flight_max = 32;
    shares.in_flight_bytes_max = 64 << 10;
    shares.total_in_flight_max = 128;
    shares.total_in_flight_bytes_max = 256 << 10;
  }
  options.on_failed = [&process](const Error& error) {
    process.main_lane().log().error("node", "failed: {}", to_string(error));
    process.exit(1);
  };
  auto node = std::make_shared<coordinator::Node>(std::move(ports), std::move(options));
  // SIGTERM. A second one ends it at once.
  process.on_signal([&process, told = false](int) mutable {
    auto* running = process.program<coordinator::Node>();
    if (running == nullptr || std::exchange(told, true)) {
      process.exit(1);
    } else {
      running->stop([&process] { process.exit(0); });
    }
  });
  return node;
}

bool coordinator_leads(const SimProcess& process) {
  const auto* node = process.program<coordinator::Node>();
  const coordinator::Engine* engine = node == nullptr ? nullptr : node->engine();
  return engine != nullptr && engine->core() != nullptr &&
         engine->core()->role() == paxos::Role::leader;
}

std::set<int> coordinator_members(const SimProcess& process) {
  const auto* node = process.program<coordinator::Node>();
  const coordinator::Engine* engine = node == nullptr ? nullptr : node->engine();
  std::set<int> members;
  if (engine != nullptr && engine->core() != nullptr) {
    for (const paxos::Member& member : engine->core()->membership().members()) {
      members.insert(static_cast<int>(member.node.value()));
    }
  }
  return members;
}

bool coordinator_lacks_voter(const SimProcess& process) {
  const auto* node = process.program<coordinator::Node>();
  const coordinator::Engine* engine = node == nullptr ? nullptr : node->engine();
  return engine != nullptr && std::any_of(engine->members().begin(), engine->members().end(),
                                          [](const paxos::Member& member) {
                                            return !member.observer &&
                                                   member.incarnation == Incarnation();
                                          });
}

bool coordinators_are_lost(const std::map<int, const SimProcess*>& processes) {
  std::map<NodeId, const paxos::Core*> cores;
  const paxos::Core* newest = nullptr;
  for (const auto& [server, process] : processes) {
    const auto* node = process->program<coordinator::Node>();
    const coordinator::Engine* engine = node == nullptr ? nullptr : node->engine();
    const paxos::Core* core = engine == nullptr ? nullptr : engine->core();
    if (core == nullptr) {
      return false;
    }
    cores[NodeId(static_cast<std::uint32_t>(server))] = core;
    const auto position = [](const paxos::Core& of) { return std::pair(of.adopted(), of.last()); };
    newest = newest == nullptr || position(*newest) < position(*core) ? core : newest;
  }
  if (newest == nullptr) {
    return false;
  }
  const std::vector<const paxos::Membership*> in_force = newest->configurations();
  return std::any_of(in_force.begin(), in_force.end(), [&](const paxos::Membership* membership) {
    return !membership->quorum([&](const paxos::Member& member) {
      const auto it = cores.find(member.node);
      return it != cores.end() && (it->second->identity().in_doubt ||
                                   it->second->identity().incarnation == member.incarnation);
    });
  });
}

}  // namespace synod::sim
