#include "cli/recover.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>

#include "cli/commands.h"
#include "ports/entropy.h"

namespace synod::cli {
namespace {

constexpr std::uint32_t member_max = 255;
constexpr std::string_view recovering = ".recovering";
constexpr std::string_view member_mark = ".member-";

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string waiting(const std::string& path) { return path + std::string(recovering); }

std::string marker_of(const std::string& directory) { return directory + "/recovering"; }

// The directories of other members that are not yet under their names, without the suffix.
Result<std::vector<std::string>> waiting_members(ports::Disk& disk, const std::string& directory) {
  const std::string begin = directory + std::string(member_mark);
  std::vector<std::string> found;
  SYNOD_TRY_ASSIGN(const std::vector<std::string> names, disk.list(parent_of(directory)));
  for (const std::string& name : names) {
    std::string path = parent_of(directory) + "/" + name;
    if (directory.find('/') == std::string::npos) {
      path = name;
    }
    if (path.starts_with(begin) && path.ends_with(recovering)) {
      found.push_back(path.substr(0, path.size() - recovering.size()));
    }
  }
  return found;
}

Status rename_durably(ports::Disk& disk, const std::string& from, const std::string& to) {
  SYNOD_TRY(disk.rename(from, to));
  return disk.sync_directory(parent_of(to));
}

// A name that nothing has.
Result<std::string> aside(ports::Disk& disk, const std::string& path) {
  for (int i = 1;; ++i) {
    std::string name = fmt::format("{}.before-recover-{}", path, i);
    SYNOD_TRY_ASSIGN(const bool taken, disk.exists(name));
    if (!taken) {
      return name;
    }
  }
}

// The new directories are whole (the marker says so): they take the place of the old ones, which
// stay under other names. Done again after a crash it goes on where it was.
Status take_place(ports::Disk& disk, const std::string& directory,
                  const coordinator::DataPlace& place) {
  SYNOD_TRY_ASSIGN(const std::vector<std::string> members, waiting_members(disk, directory));
  std::vector<std::string> paths = members;
  paths.push_back(place.snapshots);
  paths.push_back(place.log);
  for (const std::string& path : paths) {
    SYNOD_TRY_ASSIGN(const bool waits, disk.exists(waiting(path)));
    if (!waits) {
      continue;
    }
    SYNOD_TRY_ASSIGN(const bool old, disk.exists(path));
    if (old) {
      SYNOD_TRY_ASSIGN(const std::string kept, aside(disk, path));
      SYNOD_TRY(rename_durably(disk, path, kept));
      std::printf("the old files are kept in %s\n", kept.c_str());
    }
    SYNOD_TRY(rename_durably(disk, waiting(path), path));
  }
  for (const std::string& path : members) {
    say_where_to_move(path);
  }
  SYNOD_TRY(disk.remove(marker_of(directory)));
  return disk.sync_directory(directory);
}

void say_plan(const coordinator::Replayed& r, const std::vector<NodeId>& members) {
  std::string names;
  for (const NodeId member : members) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", member.value());
  }
  const znode::Counts counts = r.state.counts();
  std::string out = fmt::format(
      "This directory is that of server {} of cluster {:016x}: {} znodes and {} sessions, as of "
      "zxid {} (slot {}), last written {}.\n",
      r.node.value(), r.cluster.value(), counts.nodes, counts.sessions,
      zxid_text(r.state.last_zxid()), r.slot.value(), time_text(r.time));
  if (r.missing != Slot()) {
    out += fmt::format(
        "DAMAGE: slot {} cannot be read here: it and everything through slot {} will be lost.\n",
        r.missing.value(), r.last.value());
  }
  if (r.slot > r.chosen) {
    out += fmt::format(
        "Slots {}-{} were received and are kept; whether they were ever acknowledged is unknown "
        "here.\n",
        r.chosen.value() + 1, r.slot.value());
  }
  out += fmt::format(
      "What will be LOST: every write that the other servers acknowledged after slot {} and that "
      "never reached this one. How many there are nobody can tell from here: if any other server's "
      "disk can still be read, look at it first (synod data verify) and recover the one with the "
      "highest slot.\n"
      "What will happen: a new cluster is founded from this state, with server(s) {}. All sessions "
      "end, so every client is told; ephemeral nodes go with them. The zxid_epoch rises by 256. "
      "Servers of the old cluster are refused: empty their dataDir before they are started again.\n"
      "Nothing is deleted: the present files are kept beside the new ones.\n",
      r.slot.value(), names);
  std::fputs(out.c_str(), stdout);
}

}  // namespace

std::string zxid_text(Zxid zxid) {
  return fmt::format("0x{:x}", static_cast<std::uint64_t>(zxid.value()));
}

std::string time_text(WallTime time) {
  if (time.millis == 0) {
    return "unknown";
  }
  return fmt::format("{:%FT%TZ}", fmt::gmtime(static_cast<std::time_t>(time.millis / 1000)));
}

Result<std::vector<NodeId>> parse_members(const std::string& text, NodeId self) {
  std::vector<NodeId> members;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::uint32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    const bool more = next != end && *next == ',';
    if (error != std::errc() || number < 1 || number > member_max || (next != end && !more)) {
      return Error{ErrorCode::invalid_argument, "--members: numbers from 1 to 255, as in 1,2,3"};
    }
    members.emplace_back(number);
    at = more ? next + 1 : next;
  }
  if (members.empty()) {
    members.push_back(self);
  }
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  if (std::find(members.begin(), members.end(), self) == members.end()) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("--members: server {} itself must be among them", self.value())};
  }
  return members;
}

coordinator::Refounding found_anew(machine::Machine& machine, coordinator::Replayed& replayed,
                                   const std::vector<NodeId>& members) {
  ports::Lane& lane = machine.main_lane();
  const auto draw = [&lane] { return std::max<std::uint64_t>(lane.entropy().next(), 1); };
  coordinator::begin_anew(replayed.state, lane.wall());
  coordinator::Refounding founding;
  founding.cluster = ClusterId(draw());
  founding.boot_id = machine.host().boot_id();
  std::vector<paxos::Member> all;
  for (const NodeId node : members) {
    paxos::Member member;
    member.node = node;
    member.incarnation = Incarnation(draw());
    all.push_back(member);
  }
  founding.membership = paxos::Membership(std::move(all));
  return founding;
}

Status write_other_members(machine::Machine& machine, const std::string& directory,
                           coordinator::Replayed& replayed, const coordinator::Refounding& founding,
                           NodeId self, const std::string& suffix) {
  for (const paxos::Member& member : founding.membership.members()) {
    if (member.node == self) {
      continue;
    }
    const std::string path =
        fmt::format("{}{}{}{}", directory, member_mark, member.node.value(), suffix);
    coordinator::Refounding other = founding;
    other.node = member.node;
    SYNOD_TRY(coordinator::write_founded(machine.disk(), {path + "/log", path + "/snapshots"},
                                         replayed, other, machine.main_lane().entropy().next()));
    SYNOD_TRY(ports::write_file_atomically(machine.disk(), path + "/myid",
                                           fmt::format("{}\n", member.node.value())));
  }
  return {};
}

void say_where_to_move(const std::string& path) {
  const std::string number = path.substr(path.rfind(member_mark) + member_mark.size());
  std::printf("%s is the dataDir of server %s: move it there\n", path.c_str(), number.c_str());
}

Result<bool> recovery_was_interrupted(ports::Disk& disk, const std::string& data_directory) {
  return disk.exists(marker_of(data_directory));
}

Result<int> recover_data(machine::Machine& machine, const std::string& directory,
                         const coordinator::DataPlace& place, const RecoverOptions& options) {
  ports::Disk& disk = machine.disk();
  SYNOD_TRY_ASSIGN(const bool log_there, disk.exists(place.log));
  std::unique_ptr<ports::DirectoryLock> lock;
  if (log_there) {
    SYNOD_TRY_ASSIGN(lock, disk.lock(place.log));
  }
  SYNOD_TRY_ASSIGN(const bool interrupted, recovery_was_interrupted(disk, directory));
  if (interrupted) {
    std::puts("goes on with a recovery that was interrupted");
    SYNOD_TRY(take_place(disk, directory, place));
    return exit_success;
  }
  SYNOD_TRY_ASSIGN(coordinator::Replayed replayed, coordinator::replay(disk, place, {}));
  const NodeId self =
      options.id == 0 ? replayed.node : NodeId(static_cast<std::uint32_t>(options.id));
  if (self == NodeId()) {
    return Error{ErrorCode::invalid_argument, "the log does not say whose it is: --id=N"};
  }
  SYNOD_TRY_ASSIGN(const std::vector<NodeId> members, parse_members(options.members, self));
  say_plan(replayed, members);
  if (!options.yes) {
    std::puts("Nothing was changed. Say --yes if this is what you want.");
    return exit_usage;
  }
  SYNOD_TRY_ASSIGN(std::vector<std::string> unfinished, waiting_members(disk, directory));
  unfinished.push_back(place.log);
  unfinished.push_back(place.snapshots);
  for (const std::string& path : unfinished) {
    SYNOD_TRY(disk.remove_tree(waiting(path)));  // of an attempt that came to nothing
  }
  coordinator::Refounding founding = found_anew(machine, replayed, members);
  founding.node = self;
  SYNOD_TRY(write_other_members(machine, directory, replayed, founding, self, waiting("")));
  SYNOD_TRY(coordinator::write_founded(disk, {waiting(place.log), waiting(place.snapshots)},
                                       replayed, founding, machine.main_lane().entropy().next()));
  SYNOD_TRY(ports::write_file_atomically(disk, marker_of(directory), "1\n"));
  SYNOD_TRY(take_place(disk, directory, place));
  std::printf("recovered: cluster %016llx begins at zxid %s; start server %u\n",
              static_cast<unsigned long long>(founding.cluster.value()),
              zxid_text(replayed.state.last_zxid()).c_str(), self.value());
  return exit_success;
}

}  // namespace synod::cli
