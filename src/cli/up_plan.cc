#include "cli/up_plan.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace synod::cli {
namespace {

// The ports that users of the old systems expect, and where each role's go when a base is given.
struct Ports {
  std::int64_t client;
  std::int64_t peer;
  std::int64_t master;
  std::int64_t agent;
  std::int64_t services;
  std::int64_t tasks;
};

constexpr std::int64_t members_max = 9;  // of one role on one machine
constexpr std::int64_t task_ports = 1000;

Ports ports_from(std::int64_t base) {
  if (base == 0) {
    return {2181, 2888, 5050, 5061, 8080, 31000};
  }
  return {base, base + 10, base + 20, base + 30, base + 40, base + 50};
}

Status check_counts(const UpOptions& options) {
  struct Row {
    const char* name;
    std::int64_t count;
    std::int64_t least;
  };
  const std::int64_t coordinators_least = options.zk.empty() ? 1 : 0;
  for (const Row& row : {Row{"coordinators", options.coordinators, coordinators_least},
                         Row{"masters", options.masters, 1}, Row{"agents", options.agents, 0},
                         Row{"services", options.services, 0}}) {
    if (row.count < row.least || row.count > members_max) {
      return Error{ErrorCode::invalid_argument,
                   fmt::format("--{} must be {} to {}", row.name, row.least, members_max)};
    }
  }
  const std::int64_t last = options.base_port + 50 + task_ports;
  if (options.base_port < 0 || last > 65535) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("--base-port must leave room for {} ports", 50 + task_ports)};
  }
  return {};
}

class Planner {
 public:
  Planner(const UpOptions& options, const std::string& program, const ports::Host& host)
      : options_(options), program_(program), host_(host), ports_(ports_from(options.base_port)) {
    plan_.directory = options.directory;
  }

  UpPlan run() {
    plan_.zk = options_.zk.empty() ? own_zk() : options_.zk;
    if (options_.zk.empty()) {
      coordinators();
    }
    masters();
    agents();
    services();
    return std::move(plan_);
  }

 private:
  std::string own_zk() const {
    std::string zk = "zk://";
    for (std::int64_t i = 0; i < options_.coordinators; ++i) {
      zk += (i == 0 ? "" : ",") + at(ports_.client + i);
    }
    return zk + "/mesos";
  }

  static std::string at(std::int64_t port) { return fmt::format("127.0.0.1:{}", port); }

  void add(const std::string& role, const std::string& id, std::int64_t port,
           std::vector<std::string> arguments) {
    PlannedProcess process;
    process.role = role;
    process.id = id;
    process.address = at(port);
    process.log = plan_.directory + "/logs/" + id + ".log";
    process.work_directory = plan_.directory + "/" + id;
    process.command = {program_};
    for (std::string& argument : arguments) {
      process.command.push_back(std::move(argument));
    }
    plan_.processes.push_back(std::move(process));
  }

  void coordinators() {
    std::string servers;
    for (std::int64_t i = 0; i < options_.coordinators && options_.coordinators > 1; ++i) {
      servers += fmt::format("server.{}=127.0.0.1:{}:{}\n", i + 1, ports_.peer + i,
                             ports_.peer + members_max + 1 + i);
    }
    for (std::int64_t i = 0; i < options_.coordinators; ++i) {
      const std::string id = fmt::format("c{}", i + 1);
      const std::string data = plan_.directory + "/" + id;
      plan_.files[data + "/zoo.cfg"] = fmt::format(
          "# Written by `synod up`.\ntickTime=500\ninitLimit=20\nsyncLimit=10\ndataDir={}\n"
          "clientPort={}\nclientPortAddress=127.0.0.1\nmaxSessionTimeout=40000\n"
          "4lw.commands.whitelist=*\n{}",
          data, ports_.client + i, servers);
      plan_.files[data + "/myid"] = std::to_string(i + 1) + "\n";
      add("coordinator", id, ports_.client + i, {"coordinator", "--config", data + "/zoo.cfg"});
    }
  }

  // How people call the servers, for the page.
  std::string names() const {
    std::string text;
    for (const auto& [letter, port, count] :
         {std::tuple{'c', ports_.client, options_.zk.empty() ? options_.coordinators : 0},
          std::tuple{'m', ports_.master, options_.masters}}) {
      for (std::int64_t i = 0; i < count; ++i) {
        text += fmt::format("{}{}{}={}", text.empty() ? "" : ",", letter, i + 1, at(port + i));
      }
    }
    return text;
  }

  void masters() {
    for (std::int64_t i = 0; i < options_.masters; ++i) {
      const std::string id = fmt::format("m{}", i + 1);
      add("master", id, ports_.master + i,
          {"master", "--zk=" + plan_.zk, "--work_dir=" + plan_.directory + "/" + id,
           "--ip=127.0.0.1", fmt::format("--port={}", ports_.master + i),
           "--zk_session_timeout=2secs", "--cluster=" + plan_.directory, "--names=" + names()});
    }
  }

  void agents() {
    const std::int64_t n = std::max<std::int64_t>(options_.agents, 1);
    const std::uint64_t memory_mib = host_.memory_bytes() >> 20;
    // A gigabyte, or a quarter of a small machine, stays for the servers themselves.
    const std::uint64_t reserve = std::min<std::uint64_t>(memory_mib / 4, 1024);
    const auto space = host_.disk_space(".");
    const std::uint64_t disk_mib = space.ok() ? space->available_bytes >> 20 : 1024;
    for (std::int64_t i = 0; i < options_.agents; ++i) {
      AgentShare share;
      share.id = fmt::format("a{}", i + 1);
      share.cpus_milli = host_.cpus_milli() / n;
      share.memory_mib = (memory_mib - reserve) / static_cast<std::uint64_t>(n);
      share.disk_mib = disk_mib / 2 / static_cast<std::uint64_t>(n);
      const std::int64_t ports_each = task_ports / n;
      share.port_first = static_cast<std::uint32_t>(ports_.tasks + i * ports_each);
      share.port_last = static_cast<std::uint32_t>(share.port_first + ports_each - 1);
      plan_.shares.push_back(share);
      add("agent", share.id, ports_.agent + i,
          {"agent", "--master=" + plan_.zk, "--work_dir=" + plan_.directory + "/" + share.id,
           "--ip=127.0.0.1", fmt::format("--port={}", ports_.agent + i), "--hostname=127.0.0.1",
           "--attributes=name:" + share.id,
           fmt::format("--resources=cpus:{};mem:{};disk:{};ports:[{}-{}]",
                       static_cast<double>(share.cpus_milli) / 1000, share.memory_mib,
                       share.disk_mib, share.port_first, share.port_last)});
    }
  }

  void services() {
    for (std::int64_t i = 0; i < options_.services && options_.masters > 0; ++i) {
      add("services", fmt::format("s{}", i + 1), ports_.services + i,
          {"services", "--zk=" + plan_.zk, "--ip=127.0.0.1",
           fmt::format("--port={}", ports_.services + i), "--zk_session_timeout=2secs"});
    }
  }

  const UpOptions& options_;
  const std::string& program_;
  const ports::Host& host_;
  const Ports ports_;
  UpPlan plan_;
};

}  // namespace

Result<UpPlan> plan_up(const UpOptions& options, const std::string& program,
                       const ports::Host& host) {
  SYNOD_TRY(check_counts(options));
  return Planner(options, program, host).run();
}

}  // namespace synod::cli
