// `synod data verify|dump|repair|recover --dir D`: what a coordinator left on a disk, while it is
// not running. Reads what is there and says it in plain words; `repair` makes a damaged log whole
// where the node's own snapshots allow it, and never removes anything.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/recover.h"
#include "coordinator/journal_records.h"
#include "coordinator/log_repair.h"
#include "http/json.h"
#include "machine/machine.h"
#include "ports/entropy.h"
#include "storage/log_salvage.h"
#include "storage/snapshot_file.h"

namespace synod::cli {
namespace {

using http::Json;

constexpr int exit_sound = 0;
constexpr int exit_damaged = 1;

struct DataPlace {
  std::string log;
  std::string snapshots;
};

struct SnapshotFinding {
  std::string file;
  Slot slot;
  std::uint64_t chain = 0;
  std::string damage;  // empty: sound from end to end
};

struct SlotRange {
  Slot first;
  Slot last;
};

struct DataFindings {
  storage::LogState state;
  std::vector<storage::LogGap> gaps;
  bool certain = true;
  Slot readable_first;                     // 0: nothing is
  std::vector<SlotRange> unreadable;       // behind the newest sound snapshot
  std::vector<SnapshotFinding> snapshots;  // newest first
  std::optional<SnapshotFinding> covers;   // the newest sound one
  bool in_use = false;

  bool sound() const {
    return gaps.empty() && certain && unreadable.empty() &&
           std::all_of(snapshots.begin(), snapshots.end(),
                       [](const SnapshotFinding& s) { return s.damage.empty(); });
  }
};

SnapshotFinding look_at_snapshot(ports::Disk& disk, const std::string& directory,
                                 const std::string& name) {
  SnapshotFinding finding{name, *storage::snapshot_slot(name), 0, ""};
  const auto check = [&]() -> Status {
    SYNOD_TRY_ASSIGN(auto file, disk.open(directory + "/" + name, ports::OpenMode::read));
    storage::SnapshotDecoder decoder(*file, name, true);
    SYNOD_TRY_ASSIGN(const storage::SnapshotId id, decoder.header());
    finding.chain = id.chain;
    for (;;) {
      SYNOD_TRY_ASSIGN(const Bytes content, decoder.next());
      if (content.empty()) {
        return {};
      }
    }
  };
  if (Status checked = check(); !checked.ok()) {
    finding.damage = checked.error().message;
  }
  return finding;
}

// Slots that cannot be read, or do not follow from the ones before.
Status find_unreadable(storage::LogSalvage& salvage, DataFindings& findings) {
  const Slot start = findings.covers.has_value() ? findings.covers->slot : Slot();
  std::optional<std::uint64_t> chain =
      findings.covers.has_value() ? findings.covers->chain : std::uint64_t{0};
  for (Slot slot = start.next(); slot <= salvage.state().last; slot = slot.next()) {
    SYNOD_TRY_ASSIGN(const auto value, salvage.value(slot));
    bool good = value.has_value();
    if (good && chain.has_value()) {
      const auto entry = coordinator::decode_entry(value->bytes);
      good = entry.ok() &&
             paxos::chain_after(paxos::Chain(*chain), slot, *entry).value() == value->chain;
    }
    chain = good ? std::optional<std::uint64_t>(value->chain) : std::nullopt;
    if (!good && !findings.unreadable.empty() && findings.unreadable.back().last.next() == slot) {
      findings.unreadable.back().last = slot;
    } else if (!good) {
      findings.unreadable.push_back(SlotRange{slot, slot});
    }
  }
  return {};
}

Result<DataFindings> look(ports::Disk& disk, const DataPlace& place) {
  DataFindings findings;
  SYNOD_TRY_ASSIGN(const bool any_snapshots, disk.exists(place.snapshots));
  if (any_snapshots) {
    SYNOD_TRY_ASSIGN(auto names, disk.list(place.snapshots));
    std::reverse(names.begin(), names.end());
    for (const std::string& name : names) {
      if (storage::snapshot_slot(name).has_value()) {
        findings.snapshots.push_back(look_at_snapshot(disk, place.snapshots, name));
      }
    }
  }
  SYNOD_TRY_ASSIGN(storage::LogSalvage salvage, storage::LogSalvage::read(disk, place.log));
  findings.state = salvage.state();
  findings.gaps = salvage.gaps();
  findings.certain = salvage.certain();
  findings.readable_first = salvage.next_readable(Slot()).value_or(Slot());
  for (const SnapshotFinding& snapshot : findings.snapshots) {
    if (snapshot.damage.empty() && snapshot.slot <= findings.state.last) {
      findings.covers = snapshot;
      break;
    }
  }
  SYNOD_TRY(find_unreadable(salvage, findings));
  return findings;
}

std::string text_of(const SlotRange& range) {
  return range.first == range.last
             ? fmt::format("slot {}", range.first.value())
             : fmt::format("slots {}-{}", range.first.value(), range.last.value());
}

std::string text_of(const storage::Ballot& ballot) {
  return fmt::format("{}.{}", ballot.round, ballot.node.value());
}

void say_in_words(const DataPlace& place, const DataFindings& f) {
  const storage::LogState& s = f.state;
  std::string out =
      fmt::format("log {}: slots {}-{}, known as chosen through {}, promised {}, adopted {}\n",
                  place.log, f.readable_first.value(), s.last.value(), s.chosen.value(),
                  text_of(s.promised), text_of(s.adopted));
  if (s.identity.has_value()) {
    out +=
        fmt::format("server {} of cluster {:016x}, incarnation {:016x}\n", s.identity->node.value(),
                    s.identity->cluster.value(), s.identity->incarnation.value());
  }
  for (const SnapshotFinding& snapshot : f.snapshots) {
    out += fmt::format("snapshot of slot {}: {}\n", snapshot.slot.value(),
                       snapshot.damage.empty() ? "sound" : "damaged: " + snapshot.damage);
  }
  for (const storage::LogGap& gap : f.gaps) {
    out += fmt::format("damaged: {} at {}: {}\n", gap.file, gap.offset, gap.reason);
  }
  for (const SlotRange& range : f.unreadable) {
    out += fmt::format("missing: {} cannot be read here\n", text_of(range));
  }
  if (!f.certain) {
    out +=
        "doubtful: the end of the log may be lost; when the server starts it says so to the "
        "others and votes once they have answered\n";
  }
  if (f.in_use) {
    out += "a coordinator is using this directory: what it writes just now may look torn\n";
  }
  if (f.sound()) {
    out += "sound\n";
  } else if (!f.unreadable.empty()) {
    out +=
        "damaged: start the server, and it fetches what is missing from the others; alone, it "
        "will refuse to serve\n";
  } else {
    out +=
        "damaged: nothing is lost; the server repairs this when it starts, or now: synod data "
        "repair\n";
  }
  std::fputs(out.c_str(), stdout);
}

void say_as_json(const DataFindings& f) {
  Json::Array snapshots;
  for (const SnapshotFinding& snapshot : f.snapshots) {
    snapshots.push_back(Json::object({{"file", snapshot.file},
                                      {"slot", Json(snapshot.slot.value())},
                                      {"sound", snapshot.damage.empty()},
                                      {"damage", snapshot.damage}}));
  }
  Json::Array gaps;
  for (const storage::LogGap& gap : f.gaps) {
    gaps.push_back(
        Json::object({{"file", gap.file}, {"offset", Json(gap.offset)}, {"reason", gap.reason}}));
  }
  Json::Array missing;
  for (const SlotRange& range : f.unreadable) {
    missing.push_back(
        Json::object({{"first", Json(range.first.value())}, {"last", Json(range.last.value())}}));
  }
  const Json report = Json::object({{"sound", f.sound()},
                                    {"doubtful", !f.certain},
                                    {"in_use", f.in_use},
                                    {"last_slot", Json(f.state.last.value())},
                                    {"chosen_slot", Json(f.state.chosen.value())},
                                    {"promised", text_of(f.state.promised)},
                                    {"adopted", text_of(f.state.adopted)},
                                    {"damage", Json(std::move(gaps))},
                                    {"missing", Json(std::move(missing))},
                                    {"snapshots", Json(std::move(snapshots))}});
  std::puts(http::to_pretty_string(report).c_str());
}

Result<int> verify(ports::Disk& disk, const DataPlace& place, bool json) {
  const auto lock = disk.lock(place.log);
  SYNOD_TRY_ASSIGN(DataFindings findings, look(disk, place));
  findings.in_use = !lock.ok() && lock.error().code == ErrorCode::busy;
  json ? say_as_json(findings) : say_in_words(place, findings);
  return findings.sound() ? exit_sound : exit_damaged;
}

Result<int> repair(machine::Machine& machine, const DataPlace& place, bool json) {
  ports::Disk& disk = machine.disk();
  SYNOD_TRY_ASSIGN(const auto lock, disk.lock(place.log));
  SYNOD_TRY_ASSIGN(const DataFindings before, look(disk, place));
  if (!before.unreadable.empty() || (before.gaps.empty() && before.sound())) {
    json ? say_as_json(before) : say_in_words(place, before);
    return before.sound() ? exit_sound : exit_damaged;
  }
  SYNOD_TRY_ASSIGN(auto snapshots, storage::SnapshotStore::open(disk, place.snapshots, {}));
  if (!before.gaps.empty()) {
    SYNOD_TRY_ASSIGN(auto repairing, coordinator::LogRepair::begin(disk, place.log, *snapshots));
    if (repairing->needs().has_value()) {
      return Error{ErrorCode::corrupt, "what is missing went bad just now"};
    }
    SYNOD_TRY(repairing->finish(machine.main_lane().entropy().next()));
    std::fprintf(stderr, "the damaged segments are kept in %s.damaged-*\n", place.log.c_str());
  }
  for (const SnapshotFinding& snapshot : before.snapshots) {
    if (!snapshot.damage.empty()) {
      SYNOD_TRY(snapshots->set_aside(snapshot.slot));
      std::fprintf(stderr, "%s is kept as %s.damaged\n", snapshot.file.c_str(),
                   snapshot.file.c_str());
    }
  }
  SYNOD_TRY_ASSIGN(const DataFindings after, look(disk, place));
  json ? say_as_json(after) : say_in_words(place, after);
  return after.sound() || (after.gaps.empty() && !after.certain) ? exit_sound : exit_damaged;
}

Result<int> dump(ports::Disk& disk, const DataPlace& place, bool json) {
  SYNOD_TRY_ASSIGN(const std::string text, storage::describe_log(disk, place.log, true));
  if (json) {
    std::puts(http::to_pretty_string(Json::object({{"log", text}})).c_str());
  } else {
    std::fputs(text.c_str(), stdout);
  }
  return exit_sound;
}

// `snapshots`: dataDir, if `dir` is another dataLogDir.
Result<int> recover(machine::Machine& machine, const DataPlace& place, const std::string& dir,
                    const std::string& snapshots, const RecoverOptions& options) {
  return recover_data(machine, snapshots.empty() ? dir : snapshots, {place.log, place.snapshots},
                      options);
}

// dataDir or dataLogDir as zoo.cfg names them, or what lies in them.
Result<DataPlace> find_place(ports::Disk& disk, const std::string& dir, std::string snapshots,
                             bool recovers) {
  DataPlace place{dir + "/log", snapshots.empty() ? dir + "/snapshots" : snapshots + "/snapshots"};
  SYNOD_TRY_ASSIGN(const bool there, disk.exists(place.log));
  if (!there && !recovers) {  // a recovery may have been interrupted just there
    return Error{
        ErrorCode::not_found,
        fmt::format("{} has no directory `log`: it is no dataLogDir of a coordinator", dir)};
  }
  return place;
}

}  // namespace

int data_main(const std::vector<std::string>& arguments) {
  std::string dir;
  std::string snapshots;
  std::string output = "text";
  RecoverOptions recovery;
  std::vector<std::string> rest;
  Flags flags("data", "what a coordinator keeps on its disk: verify, dump, repair or recover it");
  flags.text("dir", &dir, "dataDir of zoo.cfg; dataLogDir if it is another one");
  flags.text("snapshots", &snapshots, "dataDir, if --dir is another dataLogDir");
  flags.text("output", &output, "text or json");
  flags.number("id", &recovery.id, "recover: the number of this server, if its log cannot tell");
  flags.text("members", &recovery.members, "recover: the new ensemble, as 1,2,3; else this one");
  flags.toggle("yes", &recovery.yes, "recover: do it, whatever may be lost");
  flags.rest("what", &rest, "verify, dump, repair or recover");
  flags.footer(
      "verify reads everything and changes nothing: exit code 0 is sound, 1 damaged\n"
      "dump   prints every record of the log\n"
      "repair makes a damaged log whole where the own snapshots cover what is lost; the damaged\n"
      "       files are kept. What only other servers hold is fetched when the server starts\n"
      "recover founds a new ensemble from this server alone, when a quorum of the old one is lost\n"
      "       for good: tells what may be lost, and does it with --yes. The old files are kept");
  if (const auto exit = flags.parse(arguments)) {
    return *exit;
  }
  const std::string what = rest.size() == 1 ? rest.front() : "";
  const bool known = what == "verify" || what == "dump" || what == "repair" || what == "recover";
  if (!known || dir.empty() || (output != "text" && output != "json")) {
    std::fputs(
        "synod data: verify, dump, repair or recover, and --dir=DIR: the dataDir of a zoo.cfg\n",
        stderr);
    return exit_usage;
  }
  machine::Machine machine({});
  const auto done = [&]() -> Result<int> {
    SYNOD_TRY_ASSIGN(const DataPlace place,
                     find_place(machine.disk(), dir, snapshots, what == "recover"));
    const bool json = output == "json";
    return what == "verify"   ? verify(machine.disk(), place, json)
           : what == "dump"   ? dump(machine.disk(), place, json)
           : what == "repair" ? repair(machine, place, json)
                              : recover(machine, place, dir, snapshots, recovery);
  }();
  if (!done.ok()) {
    std::fputs(fmt::format("synod data: {}\n", done.error().message).c_str(), stderr);
    return done.error().code == ErrorCode::not_found ? exit_usage : exit_failed;
  }
  return *done;
}

}  // namespace synod::cli
