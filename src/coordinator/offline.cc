#include "coordinator/offline.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "coordinator/journal_records.h"
#include "coordinator/release.h"
#include "storage/log_salvage.h"
#include "storage/snapshot_file.h"
#include "znode/loader.h"

namespace synod::coordinator {
namespace {

constexpr int epoch_shift = 32;
// More changes of leader than anybody can have missed.
constexpr int epochs_skipped = 256;
constexpr std::size_t founded_slice_size_bytes = 1 << 20;

struct LoadedSnapshot {
  storage::SnapshotId id;
  znode::State state;
};

Result<LoadedSnapshot> load_snapshot(ports::Disk& disk, const std::string& directory,
                                     const std::string& name) {
  SYNOD_TRY_ASSIGN(auto file, disk.open(directory + "/" + name, ports::OpenMode::read));
  storage::SnapshotDecoder decoder(*file, name, false);
  SYNOD_TRY_ASSIGN(storage::SnapshotId id, decoder.header());
  znode::Loader loader{znode::State::Options{}};
  for (;;) {
    SYNOD_TRY_ASSIGN(const Bytes content, decoder.next());
    if (content.empty()) {
      break;
    }
    SYNOD_TRY(loader.feed(content));
  }
  SYNOD_TRY_ASSIGN(znode::State state, loader.finish());
  return LoadedSnapshot{std::move(id), std::move(state)};
}

// Applies slots to a state until the limit.
class Replaying {
 public:
  Replaying(Replayed& to, const ReplayLimit& limit) : to_(to), limit_(limit) {}

  // False: the limit is reached, and perhaps only a part of the slot was applied.
  bool apply(Slot slot, const paxos::Entry& entry) {
    if (reached() || (limit_.slot.has_value() && slot > *limit_.slot) ||
        (limit_.reached.has_value() && to_.state.last_zxid() >= *limit_.reached)) {
      return false;
    }
    bool whole = true;
    if (entry.kind == paxos::EntryKind::open) {
      whole = open();
    } else if (entry.kind == paxos::EntryKind::batch) {
      whole = batch(*entry.value);
    } else if (entry.kind == paxos::EntryKind::membership) {
      paxos::Membership members;
      ByteView owners;
      whole = !paxos::decode_change(*entry.value, members, owners) || batch(owners);
    }
    if (whole) {
      to_.membership = to_.membership.after(entry);
      to_.slot = slot;
    }
    return whole;
  }

 private:
  bool reached() const { return limit_.zxid.has_value() && to_.state.last_zxid() >= *limit_.zxid; }

  bool open() {
    const auto last = static_cast<std::uint64_t>(to_.state.last_zxid().value());
    const Zxid next(static_cast<std::int64_t>(((last >> epoch_shift) + 1) << epoch_shift));
    if (limit_.zxid.has_value() && next > *limit_.zxid) {
      return false;
    }
    znode::Command command;
    command.request = znode::OpenEpoch{};
    to_.state.apply(znode::BatchHeader{}, command);
    return true;
  }

  bool batch(ByteView bytes) {
    Result<znode::BatchReader> batch = znode::BatchReader::begin(bytes);
    if (!batch.ok()) {
      return true;  // as every replica takes it: it changes nothing
    }
    if (limit_.time.has_value() && batch->header().time > *limit_.time) {
      return false;
    }
    while (!batch->at_end()) {
      if (reached()) {
        return false;
      }
      const Result<const znode::Command*> command = batch->next();
      if (!command.ok()) {
        return true;
      }
      to_.state.apply(batch->header(), **command);
      to_.time = batch->header().time;
    }
    return true;
  }

  Replayed& to_;
  const ReplayLimit& limit_;
};

// The slot behind which the first batch lies that is later than the limit's time.
Result<std::optional<Slot>> slot_of_time(storage::LogSalvage& salvage, WallTime time) {
  for (auto at = salvage.next_readable(Slot(1)); at.has_value();
       at = salvage.next_readable(at->next())) {
    SYNOD_TRY_ASSIGN(const auto value, salvage.value(*at));
    if (!value.has_value()) {
      continue;
    }
    const Result<paxos::Entry> entry = decode_entry(value->bytes);
    if (!entry.ok() || entry->kind != paxos::EntryKind::batch) {
      continue;
    }
    const Result<znode::BatchReader> batch = znode::BatchReader::begin(*entry->value);
    if (batch.ok() && batch->header().time > time) {
      return std::optional<Slot>(Slot(at->value() - 1));
    }
  }
  return std::optional<Slot>{};
}

// The newest sound snapshot through `through` that the limit allows; none: an empty state.
Result<Replayed> begin_replay(ports::Disk& disk, const DataPlace& place, Slot through,
                              const ReplayLimit& limit) {
  Replayed replayed;
  SYNOD_TRY_ASSIGN(const bool any, disk.exists(place.snapshots));
  std::vector<std::string> names;
  if (any) {
    SYNOD_TRY_ASSIGN(names, disk.list(place.snapshots));
  }
  std::reverse(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::optional<Slot> slot = storage::snapshot_slot(name);
    if (!slot.has_value() || *slot > through || name.ends_with(".damaged")) {
      continue;
    }
    Result<LoadedSnapshot> loaded = load_snapshot(disk, place.snapshots, name);
    paxos::Membership membership;
    if (!loaded.ok() || !paxos::decode(loaded->id.meta, membership) ||
        (limit.zxid.has_value() && loaded->state.last_zxid() > *limit.zxid)) {
      continue;
    }
    replayed.state = std::move(loaded->state);
    replayed.membership = membership;
    replayed.chain = paxos::Chain(loaded->id.chain);
    replayed.cluster = loaded->id.cluster;
    replayed.slot = replayed.snapshot = *slot;
    break;
  }
  return replayed;
}

}  // namespace

Result<Replayed> replay(ports::Disk& disk, const DataPlace& place, const ReplayLimit& limit) {
  SYNOD_TRY_ASSIGN(storage::LogSalvage salvage, storage::LogSalvage::read(disk, place.log));
  ReplayLimit all = limit;
  if (limit.time.has_value()) {
    SYNOD_TRY_ASSIGN(const std::optional<Slot> slot, slot_of_time(salvage, *limit.time));
    if (slot.has_value()) {
      all.slot = std::min(all.slot.value_or(*slot), *slot);
    }
  }
  const storage::LogState& state = salvage.state();
  // Without a log there is no telling of what a snapshot is the future.
  const Slot through = state.last == Slot() ? Slot(UINT64_MAX) : state.last;
  SYNOD_TRY_ASSIGN(Replayed replayed, begin_replay(disk, place, all.slot.value_or(through), all));
  replayed.chosen = state.chosen;
  replayed.last = state.last;
  if (state.identity.has_value()) {
    replayed.cluster = state.identity->cluster;
    replayed.node = state.identity->node;
    if (replayed.membership.empty() &&
        !paxos::decode(state.identity->founders, replayed.membership)) {
      return Error{ErrorCode::corrupt, "the founders in the log are malformed"};
    }
  }
  Replaying replaying(replayed, all);
  for (Slot slot = replayed.slot.next(); slot <= state.last; slot = slot.next()) {
    SYNOD_TRY_ASSIGN(const auto value, salvage.value(slot));
    const auto entry = value.has_value()
                           ? decode_entry(value->bytes)
                           : Result<paxos::Entry>(Error{ErrorCode::not_found, "unreadable"});
    if (!entry.ok() || paxos::chain_after(replayed.chain, slot, *entry).value() != value->chain) {
      replayed.missing = slot;
      break;
    }
    SYNOD_TRY(check_rules(slot, rules_of(*entry), znode::rules_version_max));
    if (!replaying.apply(slot, *entry)) {
      break;
    }
    replayed.chain = paxos::Chain(value->chain);
  }
  if (replayed.slot == Slot() && (replayed.missing != Slot() || replayed.cluster == ClusterId())) {
    return Error{ErrorCode::not_found,
                 fmt::format("{} and {} hold no sound snapshot and no log from its beginning",
                             place.snapshots, place.log)};
  }
  return replayed;
}

void begin_anew(znode::State& state, WallTime now) {
  std::vector<std::pair<SessionId, Generation>> sessions;
  for (const auto& [id, session] : state.sessions()) {
    sessions.emplace_back(id, session.generation);
  }
  const znode::BatchHeader header{now, znode::rules_version_max, {}};
  for (const auto& [id, generation] : sessions) {
    znode::Command command;
    command.session = id;
    command.request = znode::ExpireSession{generation};
    state.apply(header, command);
  }
  znode::Command open;
  open.request = znode::OpenEpoch{};
  for (int i = 0; i < epochs_skipped; ++i) {
    state.apply(header, open);
  }
}

Status write_founded(ports::Disk& disk, const DataPlace& place, Replayed& from,
                     const Refounding& founding, std::uint64_t nonce) {
  const paxos::Member* self = founding.membership.find(founding.node);
  if (self == nullptr) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("server {} is not among the members", founding.node.value())};
  }
  // Another history than the one it stems from, at the same slots.
  const std::uint64_t chain = hash_mix(from.chain.value(), founding.cluster.value());
  storage::SnapshotId id;
  id.cluster = founding.cluster;
  id.slot = std::max(from.slot, Slot(1));
  id.chain = chain;
  id.digest = from.state.digest();
  id.meta = paxos::encode(founding.membership);
  SYNOD_TRY(disk.make_directories(place.snapshots));
  SYNOD_TRY_ASSIGN(auto store, storage::SnapshotStore::open(disk, place.snapshots, {}));
  SYNOD_TRY_ASSIGN(auto writer, store->begin(id));
  from.state.begin_snapshot();
  for (Bytes slice = from.state.next_slice(founded_slice_size_bytes); !slice.empty();
       slice = from.state.next_slice(founded_slice_size_bytes)) {
    SYNOD_TRY(writer->append(slice));
  }
  SYNOD_TRY_ASSIGN(const storage::SnapshotRef ref, writer->finish());
  SYNOD_TRY(store->verify(ref.id.slot));
  SYNOD_TRY(disk.make_directories(place.log));
  storage::LogOptions options;
  options.boot_id = founding.boot_id;
  SYNOD_TRY_ASSIGN(storage::OpenedLog opened, storage::Log::open(disk, place.log, options, nonce));
  if (opened.log == nullptr || !opened.fresh) {
    return Error{ErrorCode::already_exists, fmt::format("{} holds a log already", place.log)};
  }
  storage::Identity identity;
  identity.cluster = founding.cluster;
  identity.node = founding.node;
  identity.incarnation = self->incarnation;
  identity.founders = paxos::encode(founding.membership);
  storage::Adopt adopt;
  adopt.ballot = storage::Ballot{1, founding.membership.members().front().node};
  adopt.keep_through = adopt.last = id.slot;
  adopt.chain = adopt.keep_chain = chain;
  adopt.snapshot = true;
  opened.log->append(identity);
  opened.log->append(storage::Promise{adopt.ballot});
  opened.log->append(adopt);
  SYNOD_TRY(opened.log->flush());
  return opened.log->flush_witness();
}

}  // namespace synod::coordinator
