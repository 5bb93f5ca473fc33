#include "storage/record.h"

#include <fmt/format.h>

#include <optional>

#include "base/limits.h"

namespace synod::storage {
namespace {

// Above a slot's value and above any note.
constexpr std::size_t record_bytes_max = limits::slot_value_size_bytes_max + (1 << 20);

void put(ByteWriter& out, const Ballot& ballot) {
  out.u64(ballot.round);
  out.u32(ballot.node.value());
}

Ballot take_ballot(ByteReader& in) {
  Ballot ballot;
  ballot.round = in.u64();
  ballot.node = NodeId(in.u32());
  return ballot;
}

Slot take_slot(ByteReader& in) { return Slot(in.u64()); }

bool take_flag(ByteReader& in) {
  const std::uint8_t flag = in.u8();
  if (flag > 1) {
    in.fail();
  }
  return flag == 1;
}

Bytes take_bytes(ByteReader& in) {
  const ByteView view = in.sized();
  if (view.size() > record_bytes_max) {
    in.fail();
    return {};
  }
  return Bytes(view);
}

// Value and Stage have the same fields.
template <typename SlotRecord>
void put_slot_record(ByteWriter& out, const SlotRecord& r) {
  put(out, r.ballot);
  out.u64(r.slot.value());
  out.u64(r.chain);
  out.sized(r.bytes);
}

template <typename SlotRecord>
SlotRecord take_slot_record(ByteReader& in) {
  SlotRecord r;
  r.ballot = take_ballot(in);
  r.slot = take_slot(in);
  r.chain = in.u64();
  r.bytes = take_bytes(in);
  return r;
}

void put_body(ByteWriter& out, const Value& r) { put_slot_record(out, r); }
void put_body(ByteWriter& out, const Stage& r) { put_slot_record(out, r); }
void put_body(ByteWriter& out, const Promise& r) { put(out, r.ballot); }
void put_body(ByteWriter& out, const Adopt& r) {
  put(out, r.ballot);
  out.u64(r.keep_through.value());
  out.u64(r.last.value());
  out.u64(r.chain);
  out.u8(r.snapshot ? 1 : 0);
  out.u64(r.keep_chain);
}
void put_body(ByteWriter& out, const Identity& r) {
  out.u64(r.cluster.value());
  out.u32(r.node.value());
  out.u64(r.incarnation.value());
  out.sized(r.founders);
}
void put_body(ByteWriter& out, const Chosen& r) { out.u64(r.slot.value()); }
void put_body(ByteWriter& out, const Note& r) {
  out.u32(r.key);
  out.sized(r.bytes);
}
void put_body(ByteWriter& out, const Checkpoint& r) {
  put(out, r.promised);
  put(out, r.adopted);
  out.u8(r.has_identity ? 1 : 0);
  put_body(out, r.identity);
  out.u64(r.chosen.value());
  out.u64(r.base.value());
  out.u64(r.base_chain);
  out.u64(r.last.value());
  out.u64(r.last_chain);
  put(out, r.staged_ballot);
  out.u64(r.staged_first.value());
  out.u64(r.staged_last.value());
  out.u64(r.staged_chain);
  out.u32(static_cast<std::uint32_t>(r.notes.size()));
  for (const Note& note : r.notes) {
    put_body(out, note);
  }
}

Identity take_identity(ByteReader& in) {
  Identity r;
  r.cluster = ClusterId(in.u64());
  r.node = NodeId(in.u32());
  r.incarnation = Incarnation(in.u64());
  r.founders = take_bytes(in);
  return r;
}

Note take_note(ByteReader& in) {
  Note r;
  r.key = in.u32();
  r.bytes = take_bytes(in);
  return r;
}

Adopt take_adopt(ByteReader& in) {
  Adopt r;
  r.ballot = take_ballot(in);
  r.keep_through = take_slot(in);
  r.last = take_slot(in);
  r.chain = in.u64();
  r.snapshot = take_flag(in);
  r.keep_chain = in.u64();
  return r;
}

Checkpoint take_checkpoint(ByteReader& in) {
  Checkpoint r;
  r.promised = take_ballot(in);
  r.adopted = take_ballot(in);
  r.has_identity = take_flag(in);
  r.identity = take_identity(in);
  r.chosen = take_slot(in);
  r.base = take_slot(in);
  r.base_chain = in.u64();
  r.last = take_slot(in);
  r.last_chain = in.u64();
  r.staged_ballot = take_ballot(in);
  r.staged_first = take_slot(in);
  r.staged_last = take_slot(in);
  r.staged_chain = in.u64();
  const std::uint32_t count = in.u32();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    r.notes.push_back(take_note(in));
    if (r.notes.size() > 1 && r.notes[i].key <= r.notes[i - 1].key) {
      in.fail();
    }
  }
  return r;
}

Record take_body(RecordType type, ByteReader& in) {
  switch (type) {
    case RecordType::value: return take_slot_record<Value>(in);
    case RecordType::stage: return take_slot_record<Stage>(in);
    case RecordType::promise: return Promise{take_ballot(in)};
    case RecordType::adopt: return take_adopt(in);
    case RecordType::identity: return take_identity(in);
    case RecordType::chosen: return Chosen{take_slot(in)};
    case RecordType::note: return take_note(in);
    case RecordType::checkpoint: return take_checkpoint(in);
  }
  in.fail();
  return Promise{};
}

}  // namespace

Note doubt_note(std::uint64_t claim) {
  ByteWriter out;
  out.u64(claim);
  return Note{doubt_note_key, out.take()};
}

std::optional<std::uint64_t> doubt_of(const std::map<std::uint32_t, Bytes>& notes) {
  auto it = notes.find(doubt_note_key);
  if (it == notes.end()) {
    return {};
  }
  ByteReader in(it->second);
  const std::uint64_t claim = in.u64();
  return in.done() ? claim : doubt_unclaimed;
}

std::uint64_t doubt_before_of(const std::map<std::uint32_t, Bytes>& notes) {
  auto it = notes.find(doubt_before_note_key);
  if (it == notes.end()) {
    return doubt_unclaimed;
  }
  ByteReader in(it->second);
  const std::uint64_t claim = in.u64();
  return in.done() ? claim : doubt_unclaimed;
}

std::vector<Note> doubt_anew(const std::map<std::uint32_t, Bytes>& notes) {
  std::vector<Note> anew;
  if (const auto claim = doubt_of(notes); claim.value_or(doubt_unclaimed) != doubt_unclaimed) {
    anew.push_back(doubt_note(*claim));
    anew.back().key = doubt_before_note_key;
  }
  anew.push_back(doubt_note(doubt_unclaimed));
  return anew;
}

RecordType type_of(const Record& record) { return static_cast<RecordType>(record.index() + 1); }

namespace {

// Of the body of a record that carries a slot's bytes: the others are small and are measured by
// writing them.
std::optional<std::size_t> slot_body_size(const Record& record) {
  constexpr std::size_t fixed = 12 + 8 + 8 + 4;
  if (const auto* value = std::get_if<Value>(&record)) {
    return fixed + value->bytes.size();
  }
  if (const auto* stage = std::get_if<Stage>(&record)) {
    return fixed + stage->bytes.size();
  }
  return {};
}

}  // namespace

void encode_record(const Record& record, ByteWriter& out) {
  out.u8(static_cast<std::uint8_t>(type_of(record)));
  if (const auto size = slot_body_size(record)) {
    out.u32(static_cast<std::uint32_t>(*size));
    std::visit([&out](const auto& r) { put_body(out, r); }, record);
    return;
  }
  ByteWriter body;
  std::visit([&body](const auto& r) { put_body(body, r); }, record);
  out.sized(body.bytes());
}

Result<Record> decode_record(ByteReader& in) {
  const std::uint8_t type = in.u8();
  ByteReader body(in.sized());
  if (!in.ok()) {
    return Error{ErrorCode::malformed, "record is short"};
  }
  if (type < 1 || type > static_cast<std::uint8_t>(RecordType::checkpoint)) {
    return Error{ErrorCode::malformed, fmt::format("record of unknown type {}", type)};
  }
  Record record = take_body(static_cast<RecordType>(type), body);
  if (!body.done()) {
    return Error{ErrorCode::malformed, fmt::format("record of type {} has a bad length", type)};
  }
  return record;
}

std::size_t encoded_size(const Record& record) {
  constexpr std::size_t fixed = 64;
  if (const auto* value = std::get_if<Value>(&record)) {
    return fixed + value->bytes.size();
  }
  if (const auto* stage = std::get_if<Stage>(&record)) {
    return fixed + stage->bytes.size();
  }
  if (const auto* note = std::get_if<Note>(&record)) {
    return fixed + note->bytes.size();
  }
  if (const auto* identity = std::get_if<Identity>(&record)) {
    return fixed + identity->founders.size();
  }
  if (const auto* checkpoint = std::get_if<Checkpoint>(&record)) {
    std::size_t size = 3 * fixed + checkpoint->identity.founders.size();
    for (const Note& note : checkpoint->notes) {
      size += 8 + note.bytes.size();
    }
    return size;
  }
  return fixed;
}

std::ostream& operator<<(std::ostream& out, const Ballot& ballot) {
  return out << ballot.round << '.' << ballot.node;
}

namespace {

std::string hex16(std::uint64_t word) { return fmt::format("{:016x}", word); }

struct Line {
  std::ostream& out;

  void operator()(const Value& r) const { slot_record("value", r); }
  void operator()(const Stage& r) const { slot_record("stage", r); }
  void operator()(const Promise& r) const { out << "promise ballot=" << r.ballot; }
  void operator()(const Adopt& r) const {
    out << "adopt ballot=" << r.ballot << " keep_through=" << r.keep_through << " last=" << r.last
        << " chain=" << hex16(r.chain) << (r.snapshot ? " snapshot" : "");
  }
  void operator()(const Identity& r) const {
    out << "identity cluster=" << hex16(r.cluster.value()) << " node=" << r.node
        << " incarnation=" << hex16(r.incarnation.value());
  }
  void operator()(const Chosen& r) const { out << "chosen slot=" << r.slot; }
  void operator()(const Note& r) const {
    out << "note key=" << r.key << " size=" << r.bytes.size();
  }
  void operator()(const Checkpoint& r) const {
    out << "checkpoint promised=" << r.promised << " adopted=" << r.adopted
        << " chosen=" << r.chosen << " base=" << r.base << " last=" << r.last
        << " chain=" << hex16(r.last_chain) << " notes=" << r.notes.size();
    if (r.staged_last >= r.staged_first) {
      out << " staged=" << r.staged_ballot << ':' << r.staged_first << '-' << r.staged_last;
    }
  }

  template <typename SlotRecord>
  void slot_record(const char* name, const SlotRecord& r) const {
    out << name << " ballot=" << r.ballot << " slot=" << r.slot << " chain=" << hex16(r.chain)
        << " size=" << r.bytes.size();
  }
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Record& record) {
  std::visit(Line{out}, record);
  return out;
}

}  // namespace synod::storage
