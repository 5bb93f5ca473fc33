#include "zkwire/jute.h"

#include "base/limits.h"

namespace synod::zkwire {
namespace {

constexpr std::size_t string_size_min = 4;  // its length alone
constexpr std::size_t acl_size_min = 12;    // perms, and the lengths of scheme and id

}  // namespace

void JuteWriter::strings(const std::vector<std::string>& v) {
  i32(static_cast<std::int32_t>(v.size()));
  for (const std::string& s : v) {
    string(s);
  }
}

void JuteWriter::acl(const AclList& v) {
  i32(static_cast<std::int32_t>(v.size()));
  for (const Acl& entry : v) {
    i32(entry.perms);
    string(entry.id.scheme);
    string(entry.id.id);
  }
}

// Eleven numbers in one piece: most replies carry them.
void JuteWriter::stat(const Stat& v) {
  char fields[6 * 8 + 5 * 4];
  char* at = fields;
  const auto put_i64 = [&at](std::int64_t number) {
    put(static_cast<std::uint64_t>(number), 8, at);
    at += 8;
  };
  const auto put_i32 = [&at](std::int32_t number) {
    put(static_cast<std::uint32_t>(number), 4, at);
    at += 4;
  };
  put_i64(v.czxid);
  put_i64(v.mzxid);
  put_i64(v.ctime);
  put_i64(v.mtime);
  put_i32(v.version);
  put_i32(v.cversion);
  put_i32(v.aversion);
  put_i64(v.ephemeral_owner);
  put_i32(v.data_length);
  put_i32(v.num_children);
  put_i64(v.pzxid);
  bytes_.append(fields, sizeof(fields));
}

std::uint64_t JuteReader::fixed(std::size_t n) {
  if (n > rest_.size()) {
    fail();
    return 0;
  }
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < n; ++i) {
    v = (v << 8) | static_cast<std::uint8_t>(rest_[i]);
  }
  rest_.remove_prefix(n);
  return v;
}

std::optional<ByteView> JuteReader::sized() {
  const std::int32_t length = i32();
  if (length == -1) {
    return std::nullopt;
  }
  const auto size = static_cast<std::size_t>(length);
  if (length < 0 || size > limits::zk_field_size_bytes_max || size > rest_.size()) {
    fail();
    return ByteView();
  }
  const ByteView field = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return field;
}

std::size_t JuteReader::count(std::size_t item_min) {
  const std::int32_t n = i32();
  if (n <= 0) {
    return 0;
  }
  const auto items = static_cast<std::size_t>(n);
  if (items > rest_.size() / item_min) {
    fail();
    return 0;
  }
  return items;
}

std::string JuteReader::string() { return std::string(sized().value_or(ByteView())); }

std::string JuteReader::path() { return std::string(path_view()); }

ByteView JuteReader::path_view() {
  const std::optional<ByteView> field = sized();
  if (!field.has_value()) {
    fail();
    return {};
  }
  return *field;
}

Buffer JuteReader::buffer() {
  const std::optional<ByteView> field = sized();
  return field.has_value() ? Buffer(Bytes(*field)) : std::nullopt;
}

std::vector<std::string> JuteReader::strings() {
  std::vector<std::string> list;
  for (std::size_t n = count(string_size_min); n > 0 && ok_; --n) {
    list.push_back(string());
  }
  return list;
}

std::vector<std::string> JuteReader::paths() {
  std::vector<std::string> list;
  for (std::size_t n = count(string_size_min); n > 0 && ok_; --n) {
    list.push_back(path());
  }
  return list;
}

AclList JuteReader::acl() {
  AclList list;
  for (std::size_t n = count(acl_size_min); n > 0 && ok_; --n) {
    Acl entry;
    entry.perms = i32();
    entry.id.scheme = string();
    entry.id.id = string();
    list.push_back(std::move(entry));
  }
  return list;
}

Stat JuteReader::stat() {
  Stat v;
  v.czxid = i64();
  v.mzxid = i64();
  v.ctime = i64();
  v.mtime = i64();
  v.version = i32();
  v.cversion = i32();
  v.aversion = i32();
  v.ephemeral_owner = i64();
  v.data_length = i32();
  v.num_children = i32();
  v.pzxid = i64();
  return v;
}

}  // namespace synod::zkwire
