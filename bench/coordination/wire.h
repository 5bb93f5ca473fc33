// The few ZooKeeper frames that a benchmark speaks, written and read in place: no structs, no
// allocation beyond the buffer. Apart from src/zkwire on purpose: the measure must not get faster
// or slower with what it measures.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace synod::bench {

// ZooKeeper's numbers.
namespace op {
inline constexpr std::int32_t create = 1;
inline constexpr std::int32_t remove = 2;
inline constexpr std::int32_t exists = 3;
inline constexpr std::int32_t get_data = 4;
inline constexpr std::int32_t set_data = 5;
inline constexpr std::int32_t get_children = 8;
inline constexpr std::int32_t ping = 11;
inline constexpr std::int32_t multi = 14;
inline constexpr std::int32_t close = -11;
inline constexpr std::int32_t set_watches = 101;
}  // namespace op
inline constexpr std::int32_t ephemeral_sequential = 3;
inline constexpr std::int32_t xid_set_watches = -8;
inline constexpr std::int32_t xid_ping = -2;
inline constexpr std::size_t reply_header_size = 16;  // xid, zxid, error
inline constexpr std::size_t stat_size = 68;

inline std::uint32_t read_u32(const char* at) {
  std::uint32_t v = 0;
  std::memcpy(&v, at, sizeof(v));
  return __builtin_bswap32(v);
}
inline std::int32_t read_i32(const char* at) { return static_cast<std::int32_t>(read_u32(at)); }

// Appends one frame to a buffer; the length is filled in at the end.
class FrameWriter {
 public:
  explicit FrameWriter(std::string& out) : out_(out), start_(out.size()) { i32(0); }
  ~FrameWriter() {
    const auto size = static_cast<std::uint32_t>(out_.size() - start_ - 4);
    const std::uint32_t swapped = __builtin_bswap32(size);
    std::memcpy(out_.data() + start_, &swapped, sizeof(swapped));
  }
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  void i32(std::int32_t v) {
    const std::uint32_t swapped = __builtin_bswap32(static_cast<std::uint32_t>(v));
    out_.append(reinterpret_cast<const char*>(&swapped), sizeof(swapped));
  }
  void i64(std::int64_t v) {
    const std::uint64_t swapped = __builtin_bswap64(static_cast<std::uint64_t>(v));
    out_.append(reinterpret_cast<const char*>(&swapped), sizeof(swapped));
  }
  void byte(char v) { out_.push_back(v); }
  void sized(std::string_view v) {
    i32(static_cast<std::int32_t>(v.size()));
    out_.append(v);
  }
  void raw(std::string_view v) { out_.append(v); }
  // {world:anyone:all}
  void open_acl() {
    i32(1);
    i32(31);
    sized("world");
    sized("anyone");
  }

 private:
  std::string& out_;
  std::size_t start_;
};

inline void append_create(std::string& out, std::int32_t xid, std::string_view path,
                          std::string_view data) {
  FrameWriter frame(out);
  frame.i32(xid);
  frame.i32(op::create);
  frame.sized(path);
  frame.sized(data);
  frame.open_acl();
  frame.i32(0);
}

inline std::string ping_frame() {
  std::string out;
  FrameWriter frame(out);
  frame.i32(xid_ping);
  frame.i32(op::ping);
  return out;
}

// Reads fields in place; a short frame gives zeroes and empty views.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  std::int32_t i32() {
    if (rest_.size() < 4) {
      rest_ = {};
      return 0;
    }
    const std::int32_t v = read_i32(rest_.data());
    rest_.remove_prefix(4);
    return v;
  }
  std::string_view sized() {
    const std::int32_t size = i32();
    if (size < 0 || static_cast<std::size_t>(size) > rest_.size()) {
      return {};
    }
    const std::string_view v = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(v.size());
    return v;
  }
  char byte() {
    if (rest_.empty()) {
      return 0;
    }
    const char v = rest_.front();
    rest_.remove_prefix(1);
    return v;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace synod::bench
