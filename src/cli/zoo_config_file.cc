#include "cli/zoo_config_file.h"

#include <optional>
#include <utility>

namespace synod::cli {
namespace {

constexpr std::size_t zoo_cfg_size_bytes_max = 1 << 20;
constexpr std::size_t my_id_size_bytes_max = 64;

}  // namespace

Result<coordinator::ZooConfig> read_zoo_config(ports::Disk& disk, const std::string& path) {
  SYNOD_TRY_ASSIGN(const Bytes text, ports::read_file(disk, path, zoo_cfg_size_bytes_max));
  SYNOD_TRY_ASSIGN(coordinator::ZooConfig config, coordinator::parse_zoo_config(text));
  std::optional<std::string> my_id;
  auto file = ports::read_file(disk, config.data_dir + "/myid", my_id_size_bytes_max);
  if (file.ok()) {
    my_id = std::move(file).value();
  } else if (file.error().code != ErrorCode::not_found) {
    return file.error();
  }
  SYNOD_TRY(coordinator::complete_zoo_config(config, my_id));
  return config;
}

}  // namespace synod::cli
