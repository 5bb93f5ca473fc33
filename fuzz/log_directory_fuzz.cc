// A whole log directory of any bytes: opening it never crashes, and what it shows can be read,
// continued and opened again.
//
// The input is a list of groups: u16 payload size (low bits of the second byte: begin a segment,
// spoil the group), payload. Headers are made here with right checksums, or no input would get past
// them.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "sim/disk.h"
#include "storage/log.h"
#include "storage/log_impl.h"

namespace synod::fuzz {
namespace {

using namespace storage;

struct Built {
  std::vector<Bytes> segments{Bytes()};
};

Built build(ByteView input) {
  Built built;
  GroupHeader header;
  header.log_id = 7;
  header.generation = 1;
  std::uint64_t chain = 0;
  std::uint64_t lsn = 1;
  for (int groups = 0; input.size() >= 2 && groups < 12; ++groups) {
    const auto low = static_cast<std::uint8_t>(input[0]);
    const auto high = static_cast<std::uint8_t>(input[1]);
    const std::size_t size = low + 256U * (high & 0x0f);
    input.remove_prefix(2);
    const ByteView payload = input.substr(0, size);
    input.remove_prefix(payload.size());
    if ((high & 0x40) != 0 && !built.segments.back().empty()) {
      built.segments.emplace_back();
      ++header.generation;
    }
    ByteReader records(payload);
    header.record_count = 0;
    while (!records.at_end() && decode_record(records).ok()) {
      ++header.record_count;
    }
    header.sequence += 1;
    header.offset = built.segments.back().size();
    header.first_lsn = lsn;
    header.durable_sequence = header.sequence - 1;
    header.predecessor_chain = chain;
    Bytes bytes = encode_group(header, payload);
    chain = group_chain(header);
    lsn += header.record_count;
    if ((high & 0x80) != 0) {
      bytes[high & 0x3f] = static_cast<char>(bytes[high & 0x3f] ^ 0x21);
    }
    built.segments.back() += bytes;
  }
  return built;
}

LogOptions options() {
  LogOptions o;
  o.first_segment_size_bytes = 16 << 10;
  o.segment_size_bytes = 16 << 10;
  o.group_size_bytes = 4000;
  return o;
}

// Everything that is shown must be there.
void read_all(Log& log) {
  Slot next = log.first_slot();
  while (next <= log.state().last) {
    const auto slots = log.read(next, Slot(UINT64_MAX), 4000);
    SYNOD_CHECK(slots.ok() && !slots->empty());
    for (const SlotValue& value : *slots) {
      SYNOD_CHECK(value.slot == next);
      next = next.next();
    }
  }
}

void one(ByteView input) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  SYNOD_CHECK(disk.make_directories("log").ok());
  const Built built = build(input);
  for (std::size_t i = 0; i < built.segments.size(); ++i) {
    SYNOD_CHECK(
        ports::write_file_atomically(disk, "log/" + segment_name(i + 1), built.segments[i]).ok());
  }
  SYNOD_CHECK(describe_log(disk, "log", true).ok());
  auto opened = Log::open(disk, "log", options(), 8);
  SYNOD_CHECK(opened.ok());
  if (opened->damage.has_value()) {
    SYNOD_CHECK(Log::set_aside(disk, "log").ok());
    SYNOD_CHECK(Log::open(disk, "log", options(), 9)->fresh);
    return;
  }
  const Slot last = opened->state.last;
  if (last.value() > UINT64_MAX / 2 || last.value() - opened->log->first_slot().value() > 1000) {
    return;
  }
  read_all(*opened->log);
  opened->log->append(Value{{1, NodeId(1)}, last.next(), 3, Bytes(5000, 'v')});
  SYNOD_CHECK(opened->log->flush().ok());
  opened->log.reset();
  disk.power_cut();
  opened = Log::open(disk, "log", options(), 10);
  SYNOD_CHECK(opened.ok() && !opened->damage.has_value());
  SYNOD_CHECK(opened->state.last == last.next() && opened->tail == Tail::clean);
  read_all(*opened->log);
}

Bytes group(const std::vector<Record>& records, unsigned flags) {
  ByteWriter payload;
  for (const Record& record : records) {
    encode_record(record, payload);
  }
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(payload.size()));
  out.u8(static_cast<std::uint8_t>(payload.size() >> 8 | flags));
  out.raw(payload.bytes());
  return out.take();
}

std::vector<Bytes> seeds() {
  const Ballot one_one{1, NodeId(1)};
  const Ballot two_one{2, NodeId(1)};
  const std::vector<Record> start{LogState{}.checkpoint(), Promise{one_one},
                                  Adopt{one_one, Slot(0), Slot(0), 0},
                                  Value{one_one, Slot(1), 5, "one"}};
  const std::vector<Record> staged{Stage{two_one, Slot(2), 6, "two"},
                                   Stage{two_one, Slot(3), 7, "three"}};
  const std::vector<Record> adopted{Adopt{two_one, Slot(1), Slot(3), 7},
                                    Value{two_one, Slot(4), 8, "four"}};
  LogState state;
  for (const auto& records : {start, staged, adopted}) {
    for (const Record& record : records) {
      state.apply(record);
    }
  }
  const std::vector<Record> next{state.checkpoint(), Value{two_one, Slot(5), 9, "five"}};
  return {group(start, 0), group(start, 0) + group(staged, 0) + group(adopted, 0),
          group(start, 0) + group(staged, 0) + group(adopted, 0) + group(next, 0x40),
          group(start, 0) + group(staged, 0x80) + group({}, 0),
          group(start, 0) + group(staged, 0xb0)};
}

SYNOD_FUZZ_TARGET(log_directory, one, seeds);

}  // namespace
}  // namespace synod::fuzz
