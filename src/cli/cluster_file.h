// D/cluster.json: what `synod up` started in D, kept true as pids change.
//
//   {"supervisor": {"pid": 7, "start_time": 9}, "zk": "zk://127.0.0.1:2181,.../mesos",
//    "processes": [{"role": "coordinator", "id": "c1", "pid": 12, "start_time": 3,
//                   "address": "127.0.0.1:2181", "log": "/d/logs/c1.log", "command": ["synod",
//                   ...]}]}
//
// role is coordinator, master, agent or services; address is the one that clients of that role use;
// pid is 0 while a process waits for its restart. Replaced as a whole, by rename.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ports/disk.h"
#include "ports/processes.h"

namespace synod::cli {

struct ClusterProcess {
  std::string role;
  std::string id;
  ports::ProcessId process;
  std::string address;
  std::string log;
  std::vector<std::string> command;
};

struct ClusterFile {
  ports::ProcessId supervisor;
  std::string zk;  // for clients of the resource half: zk://host:port,.../mesos
  std::vector<ClusterProcess> processes;

  // The process of that id or address; nullptr if there is none.
  const ClusterProcess* find(const std::string& id_or_address) const;
  std::vector<const ClusterProcess*> of_role(const std::string& role) const;
};

std::string to_json(const ClusterFile& file);
// malformed, with the reason.
Result<ClusterFile> parse_cluster_file(const std::string& text);

std::string cluster_file_path(const std::string& directory);
// not_found if nothing was ever started there.
Result<ClusterFile> read_cluster_file(ports::Disk& disk, const std::string& directory);
Status write_cluster_file(ports::Disk& disk, const std::string& directory, const ClusterFile& file);

}  // namespace synod::cli
