#include "storage/log_index.h"

#include <algorithm>

namespace synod::storage {
namespace {

void append(std::deque<Run>& runs, const IndexEntry& entry, const GroupAt& at) {
  if (!runs.empty()) {
    Run& tail = runs.back();
    const bool joins =
        tail.at == at && tail.type == entry.type && !tail.closed && entry.slot == tail.last.next();
    if (joins) {
      tail.last = entry.slot;
      tail.last_lsn = entry.lsn;
      return;
    }
  }
  runs.push_back(Run{at, entry.slot, entry.slot, entry.lsn, entry.lsn, entry.type, false});
}

void drop_above(std::deque<Run>& runs, Slot keep_through) {
  while (!runs.empty() && runs.back().first > keep_through) {
    runs.pop_back();
  }
  if (!runs.empty() && runs.back().last > keep_through) {
    runs.back().last = keep_through;
    runs.back().closed = true;
  }
}

}  // namespace

std::optional<IndexEntry> index_entry(const Record& record, Lsn lsn) {
  IndexEntry entry;
  entry.type = type_of(record);
  entry.lsn = lsn;
  if (const auto* value = std::get_if<Value>(&record)) {
    entry.ballot = value->ballot;
    entry.slot = value->slot;
  } else if (const auto* stage = std::get_if<Stage>(&record)) {
    entry.ballot = stage->ballot;
    entry.slot = stage->slot;
  } else if (const auto* adopt = std::get_if<Adopt>(&record)) {
    entry.ballot = adopt->ballot;
    entry.slot = adopt->keep_through;
    entry.last = adopt->last;
    entry.snapshot = adopt->snapshot;
  } else {
    return {};
  }
  return entry;
}

void LogIndex::start_from(Slot last) { last_ = last; }

void LogIndex::apply(const IndexEntry& entry, const GroupAt& at) {
  if (entry.type == RecordType::value) {
    append(visible_, entry, at);
    last_ = entry.slot;
  } else if (entry.type == RecordType::stage) {
    stage(entry, at);
  } else if (entry.type == RecordType::adopt) {
    adopt(entry);
  }
}

void LogIndex::stage(const IndexEntry& entry, const GroupAt& at) {
  const bool continues = !staged_.empty() && staged_ballot_ == entry.ballot &&
                         entry.slot >= staged_.front().first &&
                         entry.slot <= staged_.back().last.next();
  if (!continues) {
    staged_.clear();
    staged_ballot_ = entry.ballot;
  } else if (entry.slot <= staged_.back().last) {
    drop_above(staged_, Slot(entry.slot.value() - 1));
  }
  append(staged_, entry, at);
}

void LogIndex::adopt(const IndexEntry& entry) {
  if (entry.snapshot) {
    visible_.clear();
  } else {
    drop_above(visible_, entry.slot);
  }
  drop_above(staged_, entry.last);
  for (Run run : staged_) {
    if (run.last > entry.slot) {
      run.first = std::max(run.first, entry.slot.next());
      visible_.push_back(run);
    }
  }
  staged_.clear();
  last_ = entry.last;
}

const Run* LogIndex::find(Slot slot) const {
  const auto it = std::partition_point(visible_.begin(), visible_.end(),
                                       [slot](const Run& run) { return run.last < slot; });
  return it == visible_.end() ? nullptr : &*it;
}

Slot LogIndex::first() const { return visible_.empty() ? last_.next() : visible_.front().first; }

Slot LogIndex::last_in_segment(std::uint64_t generation) const {
  Slot last;
  for (const Run& run : visible_) {
    if (run.at.generation == generation) {
      last = std::max(last, run.last);
    }
  }
  return last;
}

bool LogIndex::staged_in_segment(std::uint64_t generation) const {
  return std::any_of(staged_.begin(), staged_.end(),
                     [generation](const Run& run) { return run.at.generation == generation; });
}

void LogIndex::drop_through_segment(std::uint64_t generation) {
  std::erase_if(visible_, [generation](const Run& run) { return run.at.generation <= generation; });
}

}  // namespace synod::storage
