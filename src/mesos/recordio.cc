#include "mesos/recordio.h"

#include <charconv>

namespace synod::mesos {

namespace {
// Digits of 2^64 - 1.
constexpr std::size_t length_digits_max = 20;
}  // namespace

Bytes encode_record(ByteView payload) {
  SYNOD_CHECK(!payload.empty());
  Bytes out = std::to_string(payload.size());
  out.reserve(out.size() + 1 + payload.size());
  out.push_back('\n');
  out += payload;
  return out;
}

Status RecordDecoder::fail(ErrorCode code, const char* what) {
  failed_ = true;
  return Error{code, std::string("RecordIO: ") + what};
}

Status RecordDecoder::read_header(ByteView& bytes) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    bytes.remove_prefix(1);
    if (c != '\n') {
      if (c < '0' || c > '9') {
        return fail(ErrorCode::malformed, "a length holds something else than digits");
      }
      header_.push_back(c);
      if (header_.size() > length_digits_max) {
        return fail(ErrorCode::malformed, "a length of too many digits");
      }
      continue;
    }
    std::size_t size = 0;
    auto parsed = std::from_chars(header_.data(), header_.data() + header_.size(), size);
    if (header_.empty() || parsed.ec != std::errc{} || size == 0) {
      return fail(ErrorCode::malformed, "a length that is no positive number");
    }
    if (size > record_size_max_) {
      return fail(ErrorCode::too_large, "a record above the limit");
    }
    header_.clear();
    size_ = size;
    in_payload_ = true;
    return {};
  }
  return {};
}

Status RecordDecoder::feed(ByteView bytes, std::vector<Bytes>& records) {
  if (failed_) {
    return fail(ErrorCode::malformed, "the stream failed before");
  }
  while (!bytes.empty()) {
    if (!in_payload_) {
      SYNOD_TRY(read_header(bytes));
      continue;
    }
    const std::size_t take = std::min(bytes.size(), size_ - payload_.size());
    payload_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    if (payload_.size() == size_) {
      records.push_back(std::move(payload_));
      payload_.clear();
      in_payload_ = false;
    }
  }
  return {};
}

}  // namespace synod::mesos
