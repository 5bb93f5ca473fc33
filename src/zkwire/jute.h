// Jute's binary archive: the big-endian primitives under every ZooKeeper record.
//
// Source  Apache ZooKeeper 3.9.5, BinaryInputArchive and BinaryOutputArchive.
// Errors  JuteReader is total: the first short or oversized field makes it bad() and all later
// reads
//         return zero or empty values.
// Memory  JuteReader borrows its input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "zkwire/records.h"

namespace synod::zkwire {

class JuteWriter {
 public:
  JuteWriter() = default;
  // Goes on behind what is there.
  explicit JuteWriter(Bytes begun) : bytes_(std::move(begun)) {}

  void boolean(bool v) { bytes_.push_back(v ? '\1' : '\0'); }
  void i32(std::int32_t v) { fixed(static_cast<std::uint32_t>(v), 4); }
  void i64(std::int64_t v) { fixed(static_cast<std::uint64_t>(v), 8); }
  void string(std::string_view v) {
    i32(static_cast<std::int32_t>(v.size()));
    bytes_.append(v);
  }
  void buffer(const Buffer& v) {
    if (v.has_value()) {
      string(*v);
    } else {
      i32(-1);
    }
  }
  void strings(const std::vector<std::string>& v);
  void acl(const AclList& v);
  void stat(const Stat& v);

  // A length that is known later: begin_frame() leaves room for it, end_frame() fills it in.
  std::size_t begin_frame() {
    const std::size_t at = bytes_.size();
    i32(0);
    return at;
  }
  void end_frame(std::size_t at) {
    put(static_cast<std::uint32_t>(bytes_.size() - at - 4), 4, bytes_.data() + at);
  }

  Bytes take() { return std::move(bytes_); }
  std::size_t size() const { return bytes_.size(); }

 private:
  void fixed(std::uint64_t v, int n) {
    char field[8];
    put(v, n, field);
    bytes_.append(field, static_cast<std::size_t>(n));
  }
  static void put(std::uint64_t v, int n, char* to) {
    for (int shift = 8 * (n - 1); shift >= 0; shift -= 8) {
      *to++ = static_cast<char>(v >> shift);
    }
  }

  Bytes bytes_;
};

class JuteReader {
 public:
  explicit JuteReader(ByteView bytes) : rest_(bytes) {}

  bool boolean() { return fixed(1) != 0; }
  std::int32_t i32() { return static_cast<std::int32_t>(static_cast<std::uint32_t>(fixed(4))); }
  std::int64_t i64() { return static_cast<std::int64_t>(fixed(8)); }
  // Null reads as "".
  std::string string();
  // Null is malformed: a request's path.
  std::string path();
  Buffer buffer();
  // path() without a copy.
  ByteView path_view();
  std::vector<std::string> strings();
  // The elements of a request's list of paths: a null among them is malformed.
  std::vector<std::string> paths();
  AclList acl();
  Stat stat();

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  ByteView rest() const { return rest_; }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  std::uint64_t fixed(std::size_t n);
  // Length, then that many bytes; nullopt for null.
  std::optional<ByteView> sized();
  // A list's length, 0 for null; bad if the bytes cannot hold that many items of `item_min` bytes.
  std::size_t count(std::size_t item_min);

  ByteView rest_;
  bool ok_ = true;
};

}  // namespace synod::zkwire
