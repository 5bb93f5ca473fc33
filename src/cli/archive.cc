#include "cli/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "http/json.h"
#include "storage/snapshot_file.h"

namespace synod::cli {
namespace {

using http::Json;

constexpr int archive_format = 1;
constexpr std::size_t copy_size_bytes = 1 << 20;
constexpr std::size_t manifest_size_bytes_max = 1 << 20;
constexpr std::size_t segment_begin_size_bytes = 4096;
// The segment in use, and the one that is prepared behind it.
constexpr std::size_t segments_open = 2;
constexpr const char* manifest_name = "/backup.json";

std::string hex16(std::uint64_t number) { return fmt::format("{:016x}", number); }

std::uint64_t number_of_hex16(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

// What is zero is left out of the file, not written: a prepared segment is mostly that.
Status copy_file(ports::Disk& disk, const std::string& from, const std::string& to) {
  SYNOD_TRY_ASSIGN(auto source, disk.open(from, ports::OpenMode::read));
  const std::string part = to + ".part";
  SYNOD_TRY_ASSIGN(auto target, disk.open(part, ports::OpenMode::create));
  SYNOD_TRY(target->truncate(0));
  std::uint64_t at = 0;
  for (;;) {
    SYNOD_TRY_ASSIGN(const Bytes piece, source->read_at(at, copy_size_bytes));
    if (piece.empty()) {
      break;
    }
    if (std::any_of(piece.begin(), piece.end(), [](char c) { return c != '\0'; })) {
      SYNOD_TRY(target->write_at(at, piece));
    }
    at += piece.size();
  }
  SYNOD_TRY(target->truncate(at));
  SYNOD_TRY(target->flush());
  return disk.rename(part, to);
}

// Segments of one name and one log begin alike.
Status check_same_log(ports::Disk& disk, const std::string& live, const std::string& kept) {
  SYNOD_TRY_ASSIGN(auto one, disk.open(live, ports::OpenMode::read));
  SYNOD_TRY_ASSIGN(auto other, disk.open(kept, ports::OpenMode::read));
  SYNOD_TRY_ASSIGN(const Bytes a, one->read_at(0, segment_begin_size_bytes));
  SYNOD_TRY_ASSIGN(const Bytes b, other->read_at(0, segment_begin_size_bytes));
  if (a != b) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} is of another log than {}: this server's disk was replaced since "
                             "the last backup; begin a new directory",
                             kept, live)};
  }
  return {};
}

Result<std::vector<std::string>> names_in(ports::Disk& disk, const std::string& directory,
                                          const std::string& prefix) {
  std::vector<std::string> chosen;
  SYNOD_TRY_ASSIGN(const bool there, disk.exists(directory));
  if (there) {
    SYNOD_TRY_ASSIGN(const auto names, disk.list(directory));
    std::copy_if(names.begin(), names.end(), std::back_inserter(chosen),
                 [&prefix](const std::string& name) {
                   return name.starts_with(prefix) && name.find('.') == std::string::npos;
                 });
  }
  return chosen;
}

Status copy_segments(ports::Disk& disk, const std::string& from, const std::string& to,
                     const std::optional<ArchiveManifest>& before, std::vector<std::string>& open) {
  SYNOD_TRY_ASSIGN(const auto names, names_in(disk, from, "segment-"));
  const std::size_t settled = names.size() - std::min(names.size(), segments_open);
  open.assign(names.begin() + static_cast<std::ptrdiff_t>(settled), names.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const std::string kept = to + "/" + name;
    SYNOD_TRY_ASSIGN(const bool there, disk.exists(kept));
    const bool was_open = before.has_value() && std::find(before->open.begin(), before->open.end(),
                                                          name) != before->open.end();
    if (there && !was_open) {
      SYNOD_TRY(check_same_log(disk, from + "/" + name, kept));
    }
    if (!there || was_open || i >= settled) {
      SYNOD_TRY(copy_file(disk, from + "/" + name, kept));
    }
  }
  return disk.sync_directory(to);
}

Status copy_snapshots(ports::Disk& disk, const std::string& from, const std::string& to) {
  SYNOD_TRY_ASSIGN(const auto names, names_in(disk, from, "snapshot-"));
  for (const std::string& name : names) {
    SYNOD_TRY_ASSIGN(const bool there, disk.exists(to + "/" + name));
    if (!there && storage::snapshot_slot(name).has_value()) {
      SYNOD_TRY(copy_file(disk, from + "/" + name, to + "/" + name));
    }
  }
  return disk.sync_directory(to);
}

}  // namespace

coordinator::DataPlace place_of_archive(const std::string& archive) {
  return {archive + "/log", archive + "/snapshots"};
}

Status copy_into_archive(ports::Disk& disk, const coordinator::DataPlace& from,
                         const std::string& archive, const std::optional<ArchiveManifest>& before,
                         std::vector<std::string>& open) {
  const coordinator::DataPlace to = place_of_archive(archive);
  SYNOD_TRY(disk.make_directories(to.log));
  SYNOD_TRY(disk.make_directories(to.snapshots));
  // The log first: a snapshot that is newer than it would be of no use.
  SYNOD_TRY(copy_segments(disk, from.log, to.log, before, open));
  return copy_snapshots(disk, from.snapshots, to.snapshots);
}

Result<std::optional<ArchiveManifest>> read_manifest(ports::Disk& disk,
                                                     const std::string& archive) {
  const auto text = ports::read_file(disk, archive + manifest_name, manifest_size_bytes_max);
  if (!text.ok() && text.error().code == ErrorCode::not_found) {
    return std::optional<ArchiveManifest>{};
  }
  SYNOD_TRY(text.ok() ? Status() : Status(text.error()));
  SYNOD_TRY_ASSIGN(const Json json, http::parse_json(*text));
  if (json["format"].as_int() != archive_format) {
    return Error{ErrorCode::unsupported, archive + manifest_name + " is of another format"};
  }
  ArchiveManifest manifest;
  manifest.cluster = ClusterId(number_of_hex16(json["cluster"].as_string()));
  manifest.node = NodeId(static_cast<std::uint32_t>(json["server"].as_unsigned()));
  manifest.slot = Slot(json["slot"].as_unsigned());
  manifest.zxid = Zxid(static_cast<std::int64_t>(number_of_hex16(json["zxid"].as_string())));
  manifest.time = WallTime{json["time_ms"].as_int()};
  manifest.digest = number_of_hex16(json["digest"].as_string());
  for (const Json& name : json["open"].items()) {
    manifest.open.emplace_back(name.as_string());
  }
  return std::optional<ArchiveManifest>(std::move(manifest));
}

Status write_manifest(ports::Disk& disk, const std::string& archive,
                      const ArchiveManifest& manifest) {
  Json::Array open(manifest.open.begin(), manifest.open.end());
  const Json json =
      Json::object({{"format", archive_format},
                    {"cluster", hex16(manifest.cluster.value())},
                    {"server", Json(manifest.node.value())},
                    {"slot", Json(manifest.slot.value())},
                    {"zxid", hex16(static_cast<std::uint64_t>(manifest.zxid.value()))},
                    {"time_ms", Json(manifest.time.millis)},
                    {"digest", hex16(manifest.digest)},
                    {"open", Json(std::move(open))}});
  return ports::write_file_atomically(disk, archive + manifest_name,
                                      http::to_pretty_string(json) + "\n");
}

}  // namespace synod::cli
