// A log in plain words.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "storage/log_impl.h"

namespace synod::storage {
namespace {

class Describer {
 public:
  explicit Describer(bool records) : records_(records) {}

  Status segment(ports::File& file, std::uint64_t generation);
  std::string text() const { return out_.str(); }

 private:
  void group(const FoundGroup& group);

  bool records_;
  GroupPlace place_;
  std::ostringstream out_;
};

void Describer::group(const FoundGroup& group) {
  const GroupHeader& h = group.header;
  out_ << fmt::format("  group {} at {}: {}, {} bytes, lsn from {}, durable before {}\n",
                      h.sequence, h.offset,
                      h.record_count == 0 ? "witness" : fmt::format("{} records", h.record_count),
                      h.payload_size_bytes, h.first_lsn, h.durable_sequence);
  if (!records_) {
    return;
  }
  ByteReader in(group.payload);
  std::uint64_t lsn = h.first_lsn;
  while (!in.at_end()) {
    const auto record = decode_record(in);
    if (!record.ok()) {
      out_ << "    " << record.error().message << '\n';
      return;
    }
    out_ << "    " << lsn++ << ' ' << *record << '\n';
  }
}

Status Describer::segment(ports::File& file, std::uint64_t generation) {
  SYNOD_TRY_ASSIGN(const std::uint64_t size, file.size());
  out_ << fmt::format("{}: {} bytes\n", segment_name(generation), size);
  FileWindow window(file, false);
  place_.generation = generation;
  place_.offset = 0;
  for (;;) {
    SYNOD_TRY_ASSIGN(const FoundGroup found, read_group(window, place_));
    if (found.found == Found::good) {
      group(found);
      place_.log_id = found.header.log_id;
      place_.sequence = found.header.sequence + 1;
      place_.predecessor_chain = group_chain(found.header);
      place_.offset = next_block(found.header.offset + group_header_size_bytes +
                                 found.header.payload_size_bytes);
      continue;
    }
    if (found.found == Found::bad) {
      out_ << fmt::format("  at {}: {}\n", place_.offset, found.reason);
    } else if (found.found == Found::leftover) {
      out_ << fmt::format("  at {}: leftover of a write that was never finished\n", place_.offset);
    }
    SYNOD_TRY_ASSIGN(const auto witness, find_witness(window, place_));
    if (witness.has_value()) {
      out_ << fmt::format("  group {} at {} says that group {} had been durable: damaged\n",
                          witness->sequence, witness->offset, place_.sequence);
    }
    return {};
  }
}

}  // namespace

Result<std::string> describe_log(ports::Disk& disk, const std::string& directory, bool records) {
  SYNOD_TRY_ASSIGN(const auto names, disk.list(directory));
  Describer describer(records);
  for (const std::string& name : names) {  // sorted: so are the generations
    if (const auto generation = segment_generation(name)) {
      SYNOD_TRY_ASSIGN(auto file, disk.open(directory + "/" + name, ports::OpenMode::read));
      SYNOD_TRY(describer.segment(*file, *generation));
    }
  }
  return describer.text();
}

}  // namespace synod::storage
