// `synod services`: the built-in service scheduler.
#include <cstdio>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/session.h"
#include "machine/machine.h"
#include "services/node.h"

namespace synod::cli {

int services_main(const std::vector<std::string>& arguments) {
  std::string zk;
  std::string ip = "127.0.0.1";
  std::string hostname;
  std::int64_t port = 8080;
  services::NodeOptions options;
  Flags flags("services", "the service scheduler: keeps apps running, speaks Marathon's /v2/apps");
  flags.text("zk", &zk, "coordinators and the masters' path: zk://host:port,.../mesos");
  flags.text("ip", &ip, "address to listen on");
  flags.number("port", &port, "port to listen on");
  flags.text("hostname", &hostname, "name that others reach it by (the address)");
  flags.text("user", &options.user, "whom tasks run as");
  flags.duration("zk_session_timeout", &options.session_timeout,
                 "how long a silent leader is waited for");
  flags.environment_prefix("SYNOD_SERVICES_");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  const auto connect = zkclient::parse_connect_string(zk);
  if (!connect.ok() || connect->path.empty()) {
    return fail("services",
                Error{ErrorCode::invalid_argument,
                      connect.ok() ? "--zk lacks the masters' path, such as /mesos"
                                   : "--zk: " + connect.error().message},
                "synod services --zk=zk://127.0.0.1:2181/mesos");
  }
  options.zk = *connect;
  if (port < 0 || port > 65535) {
    return fail("services", Error{ErrorCode::invalid_argument, "--port must be 0 to 65535"});
  }
  options.listen = {ip, static_cast<std::uint16_t>(port)};
  options.advertised = {hostname.empty() ? ip : hostname, static_cast<std::uint16_t>(port)};
  options.sentinel_command = {own_path(), "sentinel"};
  options.sentinel_environment = own_environment();

  machine::Machine machine({});
  int code = exit_success;
  services::Node node(machine.main_lane(), machine.network(), machine.processes(), options,
                      [&](const std::string& why) {
                        machine.log().error("services", "ends: {}", why);
                        code = exit_failed;
                        machine.stop();
                      });
  if (const Status started = node.start(); !started.ok()) {
    return fail("services", started.error());
  }
  machine.log().info("services", "listening at {}", ports::to_string(node.address()));
  if (machine.run() != 0) {
    node.stop([&] { machine.stop(); });
    machine.run();
  }
  return code;
}

}  // namespace synod::cli
