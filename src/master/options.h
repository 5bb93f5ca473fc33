// What a master is told when it starts. Names are those of Mesos' flags where there is one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "allocator/allocator.h"
#include "base/bytes.h"
#include "base/instant.h"
#include "base/planted.h"
#include "ports/address.h"
#include "zkclient/connect_string.h"

namespace synod::master {

// One file of the page, served as it is.
struct Asset {
  std::string media_type;
  Bytes bytes;
};

struct Options {
  zkclient::ConnectString zk;  // `path` is that of the candidates: "/mesos"
  Duration zk_session_timeout = Duration::seconds(10);

  ports::Address listen{"127.0.0.1", 5050};
  std::string hostname;  // advertised; "": the address listened on
  std::string advertise_ip;
  std::uint16_t advertise_port = 0;
  std::string cluster;
  std::string join_token;  // "": agents need none

  Duration agent_ping_timeout = Duration::seconds(15);
  std::uint32_t agent_ping_timeouts_max = 5;
  Duration agent_reregister_timeout = Duration::seconds(600);
  std::optional<Duration> offer_timeout;
  std::set<std::string> roles;  // whitelist; empty: every role
  std::map<std::string, resources::Milli> weights;
  bool root_submissions = true;
  std::size_t completed_frameworks_max = 50;
  std::size_t completed_tasks_per_framework_max = 1000;
  allocator::Options allocator;

  // A registry write without an answer for this long ends the process.
  Duration registry_store_timeout = Duration::seconds(20);

  // The command that becomes the sentinel, without its input; empty: none is started.
  std::vector<std::string> sentinel_command;
  std::map<std::string, std::string> sentinel_environment;

  // By path: "/" is the page.
  std::map<std::string, Asset> assets;
  // As given, for /flags and /state.
  std::map<std::string, std::string> flags;

  PlantedBug planted = PlantedBug::none;
};

}  // namespace synod::master
