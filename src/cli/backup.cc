// `synod backup` gathers what one server of a live ensemble has on its disk, and verifies it;
// `synod restore` makes directories for a new ensemble from it, as of any moment that it covers.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "cli/archive.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/recover.h"
#include "cli/session.h"
#include "cli/word.h"
#include "cli/zoo_config_file.h"
#include "ports/entropy.h"

namespace synod::cli {
namespace {

constexpr Duration word_timeout = Duration::seconds(5);
constexpr int copies_max = 20;
constexpr Duration copy_pause = Duration::millis(200);

// "0x1000000a7" or "1000000a7".
Result<Zxid> parse_zxid(std::string text) {
  if (text.starts_with("0x")) {
    text = text.substr(2);
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error{ErrorCode::invalid_argument, "--zxid: hexadecimal, as in 0x1000000a7"};
  }
  return Zxid(static_cast<std::int64_t>(number));
}

// What the server that runs has applied, so that it was chosen; nothing if none answers.
Result<std::optional<Zxid>> ask_applied(Session& session, const coordinator::ZooConfig& config) {
  const std::string& host = config.client_port_address;
  const bool any = host == "0.0.0.0" || host == "::";
  const auto answer = ask_word(session, {any ? "127.0.0.1" : host, config.client_port.value_or(0)},
                               "mntr", word_timeout);
  if (!answer.ok()) {
    return std::optional<Zxid>{};
  }
  const auto lines = lines_of_mntr(*answer);
  const auto line = lines.find("zk_last_zxid");
  if (line == lines.end()) {
    return Error{ErrorCode::unsupported,
                 "the server does not say how far it is: 4lw.commands.whitelist must allow mntr"};
  }
  SYNOD_TRY_ASSIGN(const Zxid zxid, parse_zxid(line->second));
  return std::optional<Zxid>(zxid);
}

// Of the copy: through `applied`, or what the log itself knows to be chosen.
Result<coordinator::Replayed> replay_copy(ports::Disk& disk, const std::string& archive,
                                          const std::optional<Zxid>& applied) {
  coordinator::ReplayLimit limit;
  limit.reached = applied;
  SYNOD_TRY_ASSIGN(auto replayed, coordinator::replay(disk, place_of_archive(archive), limit));
  if (!applied.has_value() && replayed.slot > replayed.chosen) {
    limit.slot = replayed.chosen;
    return coordinator::replay(disk, place_of_archive(archive), limit);
  }
  return replayed;
}

// Copies until the copy reaches that far: what was applied a moment ago may not be written yet.
Result<coordinator::Replayed> gather(Session& session, const coordinator::DataPlace& from,
                                     const std::string& archive, const std::optional<Zxid>& applied,
                                     ArchiveManifest& manifest) {
  ports::Disk& disk = session.machine().disk();
  SYNOD_TRY_ASSIGN(const auto before, read_manifest(disk, archive));
  for (int attempt = 1;; ++attempt) {
    const bool last_attempt = attempt >= copies_max;
    const Status copied = copy_into_archive(disk, from, archive, before, manifest.open);
    if (!copied.ok() && (copied.error().code != ErrorCode::not_found || last_attempt)) {
      return copied.error();
    }
    if (copied.ok()) {
      SYNOD_TRY_ASSIGN(auto replayed, replay_copy(disk, archive, applied));
      if (before.has_value() && before->cluster != replayed.cluster) {
        return Error{ErrorCode::invalid_argument, archive + " is the backup of another ensemble"};
      }
      if (!applied.has_value() || replayed.state.last_zxid() >= *applied) {
        return replayed;
      }
      if (last_attempt) {
        return Error{ErrorCode::corrupt,
                     fmt::format("the copy ends at zxid {}, the server is at {}",
                                 zxid_text(replayed.state.last_zxid()), zxid_text(*applied))};
      }
    }
    if (!session.wait(copy_pause)) {
      return Error{ErrorCode::closed, "interrupted"};
    }
  }
}

Result<int> back_up(Session& session, const std::string& config_path, const std::string& archive) {
  SYNOD_TRY_ASSIGN(const coordinator::ZooConfig config,
                   read_zoo_config(session.machine().disk(), config_path));
  SYNOD_TRY_ASSIGN(const std::optional<Zxid> applied, ask_applied(session, config));
  ArchiveManifest manifest;
  SYNOD_TRY_ASSIGN(coordinator::Replayed replayed,
                   gather(session, {config.data_log_dir + "/log", config.data_dir + "/snapshots"},
                          archive, applied, manifest));
  manifest.cluster = replayed.cluster;
  manifest.node = replayed.node;
  manifest.slot = replayed.slot;
  manifest.zxid = replayed.state.last_zxid();
  manifest.time = replayed.time;
  manifest.digest = replayed.state.digest();
  SYNOD_TRY(write_manifest(session.machine().disk(), archive, manifest));
  std::printf("%s: through zxid %s (slot %llu), %llu znodes, replayed and sound%s\n",
              archive.c_str(), zxid_text(manifest.zxid).c_str(),
              static_cast<unsigned long long>(manifest.slot.value()),
              static_cast<unsigned long long>(replayed.state.counts().nodes),
              applied.has_value() ? ""
                                  : "; the server does not run: what it did not know to be "
                                    "acknowledged is left out");
  return exit_success;
}

struct RestoreFlags {
  std::string from;
  std::string to;
  std::string zxid;
  std::string time;
  std::string members;
  std::int64_t id = 0;
};

// "2026-11-22T21:05:00Z".
Result<WallTime> parse_time(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr || *end != '\0') {
    return Error{ErrorCode::invalid_argument, "--time: UTC, as in 2026-11-22T21:05:00Z"};
  }
  // All of that second.
  return WallTime{static_cast<std::int64_t>(::timegm(&parts)) * 1000 + 999};
}

Result<coordinator::ReplayLimit> limit_of(const RestoreFlags& flags,
                                          const ArchiveManifest& manifest) {
  coordinator::ReplayLimit limit;
  limit.slot = manifest.slot;
  if (!flags.zxid.empty()) {
    SYNOD_TRY_ASSIGN(limit.zxid, parse_zxid(flags.zxid));
    if (*limit.zxid > manifest.zxid) {
      return Error{ErrorCode::invalid_argument,
                   "the backup ends at zxid " + zxid_text(manifest.zxid)};
    }
  }
  if (!flags.time.empty()) {
    SYNOD_TRY_ASSIGN(limit.time, parse_time(flags.time));
  }
  return limit;
}

Result<int> restore(machine::Machine& machine, const RestoreFlags& flags) {
  ports::Disk& disk = machine.disk();
  SYNOD_TRY_ASSIGN(const auto manifest, read_manifest(disk, flags.from));
  if (!manifest.has_value()) {
    return Error{ErrorCode::not_found, flags.from + " has no backup.json: it is no backup"};
  }
  SYNOD_TRY_ASSIGN(const coordinator::ReplayLimit limit, limit_of(flags, *manifest));
  const coordinator::DataPlace to{flags.to + "/log", flags.to + "/snapshots"};
  for (const std::string& path : {to.log, to.snapshots}) {
    SYNOD_TRY_ASSIGN(const bool taken, disk.exists(path));
    if (taken) {
      return Error{ErrorCode::already_exists, path + " exists: restore only makes new directories"};
    }
  }
  SYNOD_TRY_ASSIGN(auto replayed, coordinator::replay(disk, place_of_archive(flags.from), limit));
  const bool whole = flags.zxid.empty() && flags.time.empty();
  if (replayed.missing != Slot() && (whole || replayed.missing <= limit.slot.value_or(Slot()))) {
    return Error{ErrorCode::corrupt, fmt::format("the backup is damaged: slot {} cannot be read",
                                                 replayed.missing.value())};
  }
  if (whole && replayed.state.digest() != manifest->digest) {
    return Error{ErrorCode::corrupt, "the backup is damaged: the state has another digest"};
  }
  const std::string as_of = zxid_text(replayed.state.last_zxid());
  const NodeId self = flags.id == 0 ? manifest->node : NodeId(static_cast<std::uint32_t>(flags.id));
  SYNOD_TRY_ASSIGN(const std::vector<NodeId> members, parse_members(flags.members, self));
  coordinator::Refounding founding = found_anew(machine, replayed, members);
  founding.node = self;
  SYNOD_TRY(write_other_members(machine, flags.to, replayed, founding, self, ""));
  for (const NodeId member : members) {
    if (member != self) {
      say_where_to_move(fmt::format("{}.member-{}", flags.to, member.value()));
    }
  }
  SYNOD_TRY(coordinator::write_founded(disk, to, replayed, founding,
                                       machine.main_lane().entropy().next()));
  SYNOD_TRY(
      ports::write_file_atomically(disk, flags.to + "/myid", fmt::format("{}\n", self.value())));
  std::printf(
      "%s is the dataDir of server %u: the state as of zxid %s (%s), %llu znodes. It is a new "
      "cluster; all sessions have ended, and the next zxid is above %s.\n",
      flags.to.c_str(), self.value(), as_of.c_str(), time_text(replayed.time).c_str(),
      static_cast<unsigned long long>(replayed.state.counts().nodes),
      zxid_text(replayed.state.last_zxid()).c_str());
  return exit_success;
}

int say_outcome(const char* command, const Result<int>& done) {
  if (!done.ok()) {
    std::fputs(fmt::format("synod {}: {}\n", command, done.error().message).c_str(), stderr);
    return done.error().code == ErrorCode::invalid_argument ? exit_usage : exit_failed;
  }
  return *done;
}

}  // namespace

int backup_main(const std::vector<std::string>& arguments) {
  std::string config;
  std::string to;
  Flags flags("backup", "gather what a coordinator has on its disk, running or not");
  flags.text("config", &config, "the zoo.cfg of the server, on whose machine this runs");
  flags.text("to", &to, "a directory; given again it takes what is new since the last time");
  flags.footer("Everything is read back and replayed before it counts as a backup.");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  if (config.empty() || to.empty()) {
    std::fputs("synod backup: --config=ZOO_CFG and --to=DIR\n", stderr);
    return exit_usage;
  }
  Session session;
  return say_outcome("backup", back_up(session, config, to));
}

int restore_main(const std::vector<std::string>& arguments) {
  RestoreFlags options;
  Flags flags("restore", "make the directories of a new ensemble from a backup");
  flags.text("from", &options.from, "the directory of a backup");
  flags.text("to", &options.to, "dataDir of the server, to be made");
  flags.text("zxid", &options.zxid, "the state right after this zxid; else the newest");
  flags.text("time", &options.time, "the state at the end of this second: 2026-11-22T21:05:00Z");
  flags.number("id", &options.id, "the server's number; else that of the server backed up");
  flags.text("members", &options.members,
             "the new ensemble, as 1,2,3: the others get DIR.member-N; else this one alone");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  if (options.from.empty() || options.to.empty()) {
    std::fputs("synod restore: --from=DIR and --to=DIR\n", stderr);
    return exit_usage;
  }
  machine::Machine machine({.log_path = "", .log_level = LogLevel::error});
  return say_outcome("restore", restore(machine, options));
}

}  // namespace synod::cli
