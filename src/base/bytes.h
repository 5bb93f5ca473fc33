// Byte strings, and the little-endian encoding of our own formats (log, snapshot, peer frames).
//
// ZooKeeper's big-endian jute encoding is zkwire's; protobuf's is mesos'.
//
// Errors  ByteReader never reads past its end: the first short read makes it bad() and every later
//         read returns zero or an empty view. Callers test ok() once, at the end. It is total: any
//         byte string decodes or turns bad.
// Memory  ByteReader and ByteView borrow; the owner must outlive them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace synod {

using Bytes = std::string;
using ByteView = std::string_view;

class ByteWriter {
 public:
  void u8(std::uint8_t v) { bytes_.push_back(static_cast<char>(v)); }
  void u16(std::uint16_t v) { fixed(v, 2); }
  void u32(std::uint32_t v) { fixed(v, 4); }
  void u64(std::uint64_t v) { fixed(v, 8); }
  void i32(std::int32_t v) { u32(static_cast<std::uint32_t>(v)); }
  void i64(std::int64_t v) { fixed(static_cast<std::uint64_t>(v), 8); }
  void raw(ByteView v) { bytes_.append(v); }
  // u32 length, then the bytes.
  void sized(ByteView v) {
    u32(static_cast<std::uint32_t>(v.size()));
    raw(v);
  }

  std::size_t size() const { return bytes_.size(); }
  const Bytes& bytes() const { return bytes_; }
  Bytes take() { return std::move(bytes_); }

 private:
  void fixed(std::uint64_t v, int n) {
    for (int i = 0; i < n; ++i) {
      bytes_.push_back(static_cast<char>(v >> (8 * i)));
    }
  }

  Bytes bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(fixed(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  std::uint64_t u64() { return fixed(8); }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  std::int64_t i64() { return static_cast<std::int64_t>(fixed(8)); }

  // The next n bytes, borrowed from the input.
  ByteView raw(std::size_t n) {
    if (n > rest_.size()) {
      fail();
      return {};
    }
    ByteView head = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return head;
  }
  ByteView sized() { return raw(u32()); }

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  // True if everything was read and nothing was short: the usual last question of a decoder.
  bool done() const { return ok_ && rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  std::uint64_t fixed(std::size_t n) {
    ByteView field = raw(n);
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < field.size(); ++i) {
      v |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(field[i])) << (8 * i);
    }
    return v;
  }

  ByteView rest_;
  bool ok_ = true;
};

// Lower-case hexadecimal of the bytes.
std::string to_hex(ByteView bytes);

}  // namespace synod
