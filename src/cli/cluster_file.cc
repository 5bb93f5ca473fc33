#include "cli/cluster_file.h"

#include "http/json.h"

namespace synod::cli {
namespace {

using http::Json;

Json to_json(const ports::ProcessId& id) {
  return Json::object({{"pid", id.pid}, {"start_time", id.start_time}});
}

ports::ProcessId process_of(const Json& json) {
  return {json["pid"].as_int(), static_cast<std::uint64_t>(json["start_time"].as_int())};
}

}  // namespace

const ClusterProcess* ClusterFile::find(const std::string& id_or_address) const {
  for (const ClusterProcess& process : processes) {
    if (process.id == id_or_address || process.address == id_or_address) {
      return &process;
    }
  }
  return nullptr;
}

std::vector<const ClusterProcess*> ClusterFile::of_role(const std::string& role) const {
  std::vector<const ClusterProcess*> found;
  for (const ClusterProcess& process : processes) {
    if (process.role == role) {
      found.push_back(&process);
    }
  }
  return found;
}

std::string to_json(const ClusterFile& file) {
  Json processes = Json::array();
  for (const ClusterProcess& process : file.processes) {
    Json command = Json::array();
    for (const std::string& word : process.command) {
      command.push(word);
    }
    processes.push(Json::object({{"role", process.role},
                                 {"id", process.id},
                                 {"pid", process.process.pid},
                                 {"start_time", process.process.start_time},
                                 {"address", process.address},
                                 {"log", process.log},
                                 {"command", command}}));
  }
  return http::to_pretty_string(Json::object({{"supervisor", to_json(file.supervisor)},
                                              {"zk", file.zk},
                                              {"processes", processes}})) +
         "\n";
}

Result<ClusterFile> parse_cluster_file(const std::string& text) {
  SYNOD_TRY_ASSIGN(const Json json, http::parse_json(text));
  if (!json.is_object() || !json["processes"].is_array()) {
    return Error{ErrorCode::malformed, "cluster.json lacks its list of processes"};
  }
  ClusterFile file;
  file.supervisor = process_of(json["supervisor"]);
  file.zk = std::string(json["zk"].as_string());
  for (const Json& item : json["processes"].items()) {
    ClusterProcess process;
    process.role = std::string(item["role"].as_string());
    process.id = std::string(item["id"].as_string());
    process.process = process_of(item);
    process.address = std::string(item["address"].as_string());
    process.log = std::string(item["log"].as_string());
    for (const Json& word : item["command"].items()) {
      process.command.emplace_back(word.as_string());
    }
    file.processes.push_back(std::move(process));
  }
  return file;
}

std::string cluster_file_path(const std::string& directory) { return directory + "/cluster.json"; }

Result<ClusterFile> read_cluster_file(ports::Disk& disk, const std::string& directory) {
  SYNOD_TRY_ASSIGN(const Bytes text,
                   ports::read_file(disk, cluster_file_path(directory), 16 << 20));
  auto file = parse_cluster_file(text);
  if (!file.ok()) {
    return with_context(cluster_file_path(directory) + " is damaged", std::move(file).error());
  }
  return file;
}

Status write_cluster_file(ports::Disk& disk, const std::string& directory,
                          const ClusterFile& file) {
  return ports::write_file_atomically(disk, cluster_file_path(directory), to_json(file));
}

}  // namespace synod::cli
