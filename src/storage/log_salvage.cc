#include "storage/log_salvage.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/log_impl.h"

namespace synod::storage {
namespace {

constexpr std::size_t rebuilt_group_size_bytes = 1 << 20;
constexpr const char* rebuilding_name = "rebuilding";

// The next header of this log at or behind `offset` that says a sequence above `after`.
Result<std::optional<std::uint64_t>> next_header(FileWindow& window, const GroupPlace& place,
                                                 std::uint64_t offset, std::uint64_t after) {
  for (;; offset += block_size_bytes) {
    SYNOD_TRY_ASSIGN(const ByteView bytes, window.bytes(offset, group_header_size_bytes));
    if (bytes.size() < group_header_size_bytes) {
      return std::optional<std::uint64_t>{};
    }
    const auto header = decode_group_header(bytes);
    if (header.has_value() && header->kind == place.kind && header->offset == offset &&
        header->generation == place.generation &&
        (place.log_id == 0 || header->log_id == place.log_id) && header->sequence > after) {
      return std::optional<std::uint64_t>{offset};
    }
  }
}

}  // namespace

// One pass over the segments, oldest first, which goes on behind what is bad.
class LogSalvage::Reading {
 public:
  explicit Reading(LogSalvage& salvage) : s_(salvage) {}

  Status run();

 private:
  Status segment(std::size_t index);
  // Of a segment. True if there is more to read behind place_.
  Result<bool> first_group(std::size_t index, FileWindow& window);
  // True if something later says that the group which is missing at `place_` was durable.
  Result<bool> vouched_for(std::size_t index, FileWindow& window);
  void gap(std::size_t index, std::uint64_t offset, const std::string& reason);
  void take(std::size_t index, const FoundGroup& group);

  void apply(const Value& r, const At& at);
  void apply(const Stage& r, const At& at);
  void apply(const Promise& r, const At& at);
  void apply(const Adopt& r, const At& at);
  void apply(const Checkpoint& r, const At& at);
  void apply(const Identity& r, const At&) { s_.state_.identity = r; }
  void apply(const Chosen& r, const At&);
  void apply(const Note& r, const At&) { s_.state_.apply(r); }
  void drop_above(Slot slot) {
    s_.visible_.erase(s_.visible_.upper_bound(slot), s_.visible_.end());
  }
  void is_certain(const Ballot& ballot);

  LogSalvage& s_;
  GroupPlace place_;
  bool any_ = false;
  std::uint64_t last_sequence_ = 0;
  std::map<Slot, At> staged_;
  Ballot staged_ballot_;
};

Status LogSalvage::Reading::run() {
  for (std::size_t i = 0; i < s_.files_.size(); ++i) {
    if (i > 0 && s_.generations_[i] != s_.generations_[i - 1] + 1) {
      gap(i, 0, "the segments before it are missing");
    }
    SYNOD_TRY(segment(i));
  }
  return {};
}

void LogSalvage::Reading::gap(std::size_t index, std::uint64_t offset, const std::string& reason) {
  s_.gaps_.push_back(LogGap{s_.names_[index], offset, reason});
  s_.certain_ = false;
}

Result<bool> LogSalvage::Reading::vouched_for(std::size_t index, FileWindow& window) {
  SYNOD_TRY_ASSIGN(auto witness, find_witness(window, place_));
  for (std::size_t i = index + 1; i < s_.files_.size() && !witness.has_value(); ++i) {
    FileWindow later(*s_.files_[i], false);
    GroupPlace place = place_;
    place.generation = s_.generations_[i];
    place.offset = 0;
    SYNOD_TRY_ASSIGN(witness, find_witness(later, place));
  }
  return witness.has_value();
}

Result<bool> LogSalvage::Reading::first_group(std::size_t index, FileWindow& window) {
  const bool is_last = index + 1 == s_.files_.size();
  GroupPlace first;  // whatever its sequence: what came before may be lost
  first.generation = place_.generation;
  SYNOD_TRY_ASSIGN(const FoundGroup group, read_group(window, first));
  if (group.found == Found::good) {
    const bool follows = group.header.log_id != place_.log_id || place_.sequence == 0 ||
                         group.header.sequence == place_.sequence;
    if (any_ && !follows) {
      gap(index, 0, "the groups before it are missing");
    }
    take(index, group);
    return true;
  }
  SYNOD_TRY_ASSIGN(const auto next, next_header(window, place_, block_size_bytes, last_sequence_));
  if (is_last && !next.has_value()) {
    return false;  // begun, and never flushed
  }
  gap(index, 0, group.reason.empty() ? "the segment does not begin" : group.reason);
  if (next.has_value()) {
    place_.offset = *next;
  }
  place_.sequence = 0;
  return next.has_value();
}

Status LogSalvage::Reading::segment(std::size_t index) {
  const bool is_last = index + 1 == s_.files_.size();
  FileWindow window(*s_.files_[index], is_last);
  place_.generation = s_.generations_[index];
  place_.offset = 0;
  SYNOD_TRY_ASSIGN(bool more, first_group(index, window));
  while (more) {
    SYNOD_TRY_ASSIGN(const FoundGroup group, read_group(window, place_));
    if (group.found == Found::good) {
      take(index, group);
      continue;
    }
    SYNOD_TRY_ASSIGN(const auto next,
                     next_header(window, place_, place_.offset + block_size_bytes, last_sequence_));
    bool vouched = place_.sequence == 0;  // a header told of it
    if (!vouched) {
      SYNOD_TRY_ASSIGN(vouched, vouched_for(index, window));
    }
    const bool here = group.found != Found::nothing || next.has_value();
    if (!vouched || (!is_last && !here)) {
      // The end of this segment's groups; a bad one is doubtful, as in recovery.
      s_.certain_ = s_.certain_ && !(is_last && group.found == Found::bad);
      return {};
    }
    gap(index, place_.offset, group.reason.empty() ? "a durable group is missing" : group.reason);
    place_.sequence = 0;
    more = next.has_value();
    place_.offset = next.value_or(place_.offset);
  }
  return {};
}

void LogSalvage::Reading::take(std::size_t index, const FoundGroup& group) {
  const GroupHeader& header = group.header;
  any_ = true;
  last_sequence_ = header.sequence;
  place_.log_id = header.log_id;
  place_.sequence = header.sequence + 1;
  place_.predecessor_chain = group_chain(header);
  place_.offset = next_block(header.offset + group_header_size_bytes + header.payload_size_bytes);
  ByteReader in(group.payload);
  for (std::uint32_t i = 0; i < header.record_count; ++i) {
    const auto record = decode_record(in);
    if (!record.ok()) {
      gap(index, header.offset, record.error().message);
      return;
    }
    const At at{index, header.offset, i};
    std::visit([&](const auto& r) { apply(r, at); }, *record);
  }
}

// A slot is accepted, and a history adopted, only with the ballot that is promised.
void LogSalvage::Reading::is_certain(const Ballot& ballot) {
  if (!s_.certain_) {
    s_.state_.promised = ballot;
    s_.state_.adopted = ballot;
    s_.certain_ = true;
  }
}

void LogSalvage::Reading::apply(const Value& r, const At& at) {
  is_certain(r.ballot);
  drop_above(Slot(r.slot.value() - 1));
  s_.visible_[r.slot] = at;
  s_.state_.last = r.slot;
  s_.state_.last_chain = r.chain;
}

void LogSalvage::Reading::apply(const Stage& r, const At& at) {
  if (!(staged_ballot_ == r.ballot)) {
    staged_.clear();
    staged_ballot_ = r.ballot;
  }
  staged_.erase(staged_.lower_bound(r.slot), staged_.end());
  staged_[r.slot] = at;
  s_.state_.promised = std::max(s_.state_.promised, r.ballot);
}

void LogSalvage::Reading::apply(const Promise& r, const At&) {
  s_.state_.promised = std::max(s_.state_.promised, r.ballot);
}

void LogSalvage::Reading::apply(const Adopt& r, const At&) {
  is_certain(r.ballot);
  LogState& state = s_.state_;
  drop_above(r.snapshot ? Slot() : r.keep_through);
  if (r.snapshot) {
    state.base = r.keep_through;
    state.base_chain = r.keep_chain;
    state.chosen = std::max(state.chosen, r.keep_through);
  }
  if (staged_ballot_ == r.ballot) {
    for (const auto& [slot, at] : staged_) {
      if (slot > r.keep_through && slot <= r.last) {
        s_.visible_[slot] = at;
      }
    }
  }
  staged_.clear();
  staged_ballot_ = Ballot{};
  state.last = r.last;
  state.last_chain = r.chain;
  state.adopted = r.ballot;
  state.promised = std::max(state.promised, r.ballot);
}

void LogSalvage::Reading::apply(const Chosen& r, const At&) {
  s_.state_.chosen = std::max(s_.state_.chosen, r.slot);
}

void LogSalvage::Reading::apply(const Checkpoint& r, const At&) {
  const LogState before = s_.state_;
  s_.state_ = LogState::from_checkpoint(r);
  s_.state_.chosen = std::max(s_.state_.chosen, before.chosen);
  drop_above(r.last);
  s_.certain_ = true;
}

Result<LogSalvage> LogSalvage::read(ports::Disk& disk, const std::string& directory) {
  LogSalvage salvage;
  SYNOD_TRY_ASSIGN(const auto names, disk.list(directory));
  for (const std::string& name : names) {  // sorted: so are the generations
    if (const auto generation = segment_generation(name)) {
      SYNOD_TRY_ASSIGN(auto file, disk.open(directory + "/" + name, ports::OpenMode::read));
      salvage.names_.push_back(name);
      salvage.generations_.push_back(*generation);
      salvage.files_.push_back(std::move(file));
    }
  }
  SYNOD_TRY(Reading(salvage).run());
  LogState& state = salvage.state_;
  state.chosen = std::min(state.chosen, state.last);
  state.chains.clear();
  state.chains_first = state.last.next();
  state.staged_ballot = Ballot{};
  state.staged_first = Slot(1);
  state.staged_last = Slot();
  state.staged_chain = 0;
  state.staged_chains.clear();
  return salvage;
}

std::optional<Slot> LogSalvage::next_readable(Slot slot) const {
  auto it = visible_.lower_bound(slot);
  return it == visible_.end() ? std::optional<Slot>{} : it->first;
}

Result<std::optional<SlotValue>> LogSalvage::value(Slot slot) {
  auto it = visible_.find(slot);
  if (it == visible_.end()) {
    return std::optional<SlotValue>{};
  }
  const At& at = it->second;
  if (read_segment_ != at.segment || read_offset_ != at.offset) {
    FileWindow window(*files_[at.segment], false);
    GroupPlace place;
    place.generation = generations_[at.segment];
    place.offset = at.offset;
    SYNOD_TRY_ASSIGN(const FoundGroup group, read_group(window, place));
    if (group.found != Found::good) {
      visible_.erase(it);
      return std::optional<SlotValue>{};
    }
    read_records_.clear();
    ByteReader in(group.payload);
    while (!in.at_end()) {
      SYNOD_TRY_ASSIGN(Record record, decode_record(in));
      read_records_.push_back(std::move(record));
    }
    read_segment_ = at.segment;
    read_offset_ = at.offset;
  }
  const Record& record = read_records_.at(at.record);
  if (const auto* value = std::get_if<Value>(&record)) {
    return std::optional<SlotValue>{{value->slot, value->ballot, value->chain, value->bytes}};
  }
  const auto& stage = std::get<Stage>(record);
  return std::optional<SlotValue>{{stage.slot, stage.ballot, stage.chain, stage.bytes}};
}

// ---- the new log

namespace {

// Groups of one segment, one behind the other.
class RebuiltSegment {
 public:
  RebuiltSegment(ports::File& file, std::uint64_t nonce, std::uint64_t generation) : file_(file) {
    header_.log_id = nonce;
    header_.era = nonce;
    header_.generation = generation;
  }

  Status put(const Record& record) {
    if (header_.record_count > 0 &&
        payload_.size() + encoded_size(record) > rebuilt_group_size_bytes) {
      SYNOD_TRY(write());
    }
    encode_record(record, payload_);
    ++header_.record_count;
    return {};
  }
  // The group under way; a witness if there is nothing in it.
  Status write() {
    const std::uint64_t lsn = lsn_;
    lsn_ += header_.record_count;
    header_.sequence = ++sequence_;
    header_.offset = offset_;
    header_.first_lsn = lsn;
    header_.durable_sequence = durable_;
    header_.predecessor_chain = chain_;
    const Bytes payload = payload_.take();
    const Bytes bytes = encode_group(header_, payload);
    SYNOD_TRY(file_.write_at(offset_, bytes));
    offset_ += bytes.size();
    chain_ = group_chain(header_);
    header_.record_count = 0;
    payload_ = ByteWriter();
    return {};
  }
  Status flush() {
    SYNOD_TRY(file_.flush());
    durable_ = sequence_;
    return {};
  }

 private:
  ports::File& file_;
  GroupHeader header_;
  ByteWriter payload_;
  std::uint64_t offset_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t durable_ = 0;
  std::uint64_t chain_ = 0;
  std::uint64_t lsn_ = 1;
};

Checkpoint checkpoint_of(const RebuildPlan& plan) {
  LogState state = plan.state;
  state.base = plan.start;
  state.base_chain = plan.start_chain;
  state.last = plan.start;
  state.last_chain = plan.start_chain;
  state.chosen = std::min(state.chosen, plan.start);
  if (plan.start.value() > 0) {
    state.chosen = plan.start;
  }
  if (!plan.certain) {
    for (const Note& note : doubt_anew(state.notes)) {
      state.apply(note);
    }
  }
  return state.checkpoint();
}

Status move_aside(ports::Disk& disk, const std::string& directory,
                  const std::vector<std::string>& names) {
  SYNOD_TRY_ASSIGN(const std::string target, name_aside(disk, directory));
  SYNOD_TRY(disk.make_directories(target));
  for (const std::string& name : names) {
    SYNOD_TRY(disk.rename(directory + "/" + name, target + "/" + name));
    SYNOD_TRY(disk.sync_directory(target));
    SYNOD_TRY(disk.sync_directory(directory));
  }
  return {};
}

}  // namespace

Status rebuild_log(ports::Disk& disk, const std::string& directory, std::uint64_t nonce,
                   const RebuildPlan& plan,
                   const std::function<Result<std::optional<SlotValue>>()>& next) {
  SYNOD_TRY_ASSIGN(const auto all, disk.list(directory));
  std::vector<std::string> old;
  std::uint64_t generation = 1;
  for (const std::string& name : all) {
    if (const auto found = segment_generation(name)) {
      old.push_back(name);
      generation = *found + 1;
    }
  }
  const std::string temporary = directory + "/" + rebuilding_name;
  {
    SYNOD_TRY_ASSIGN(auto file, disk.open(temporary, ports::OpenMode::create));
    SYNOD_TRY(file->truncate(0));
    RebuiltSegment segment(*file, nonce, generation);
    SYNOD_TRY(segment.put(checkpoint_of(plan)));
    Slot last = plan.start;
    for (;;) {
      SYNOD_TRY_ASSIGN(auto value, next());
      if (!value.has_value()) {
        break;
      }
      last = value->slot;
      SYNOD_TRY(segment.put(
          Value{plan.state.adopted, value->slot, value->chain, std::move(value->bytes)}));
    }
    const Slot chosen = std::min(plan.state.chosen, last);
    if (chosen > plan.start) {
      SYNOD_TRY(segment.put(Chosen{chosen}));
    }
    SYNOD_TRY(segment.write());
    SYNOD_TRY(segment.flush());
    SYNOD_TRY(segment.write());
    SYNOD_TRY(segment.flush());
  }
  SYNOD_TRY(disk.rename(temporary, directory + "/" + segment_name(generation)));
  SYNOD_TRY(disk.sync_directory(directory));
  return move_aside(disk, directory, old);
}

}  // namespace synod::storage
