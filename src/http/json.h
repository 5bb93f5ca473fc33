// JSON documents as values.
//
// Objects keep the order in which members were added. Serialization is compact, one line, and
// escapes everything outside ASCII as \uXXXX (surrogate pairs above the basic plane), because some
// clients count characters where they should count bytes.
//
// Source   RFC 8259.
// Errors   parse: malformed with the offset; too_large beyond depth or size. Strings must be UTF-8.
//          Reading a value as what it is not gives the fallback, never an error: the shape of a
//          document is checked with kind() and find().
// Threads  plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace synod::http {

class Json {
 public:
  enum class Kind { null, boolean, integer, unsigned_integer, real, string, array, object };
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<std::int64_t>(value)) {}
  Json(std::int64_t value) : value_(value) {}
  Json(std::uint64_t value);
  Json(std::uint32_t value) : value_(static_cast<std::int64_t>(value)) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}

  static Json array() { return Json(Array{}); }
  static Json object();
  static Json object(std::initializer_list<Member> members);

  // unsigned_integer only for values above INT64_MAX.
  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is_null() const { return kind() == Kind::null; }
  bool is_string() const { return kind() == Kind::string; }
  bool is_array() const { return kind() == Kind::array; }
  bool is_object() const { return kind() == Kind::object; }
  bool is_number() const;

  bool as_bool(bool otherwise = false) const;
  // Of a real: only if it is whole and in range.
  std::int64_t as_int(std::int64_t otherwise = 0) const;
  std::uint64_t as_unsigned(std::uint64_t otherwise = 0) const;
  double as_double(double otherwise = 0) const;
  // "" if not a string. Borrowed.
  std::string_view as_string() const;

  // Elements and members; empty if it is not an array or object.
  const Array& items() const;
  const Object& members() const;

  // The member, or nullptr. A member that is null counts as absent.
  const Json* find(std::string_view name) const;
  // The member, or null. Chains: document["leader"]["pid"].as_int().
  const Json& operator[](std::string_view name) const;
  // The value at "a.b.0.c": members and array indexes; nullptr if there is none.
  const Json* at_path(std::string_view path) const;

  // Adds or replaces a member; null becomes an object first. Returns *this.
  // Precondition: an object or null.
  Json& set(std::string_view name, Json value);
  // Adds without looking for a member of that name. Precondition: an object.
  Json& append_member(std::string name, Json value);
  // Appends; null becomes an array first. Precondition: an array or null.
  Json& push(Json value);

  friend bool operator==(const Json& a, const Json& b);

 private:
  explicit Json(Object value) : value_(std::move(value)) {}

  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
               Object>
      value_;
};

struct JsonLimits {
  std::size_t depth_max = 64;
  std::size_t size_bytes_max = 8 << 20;
};

Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});
// Compact, ASCII only.
std::string to_string(const Json& value);
// Indented by two spaces, for people.
std::string to_pretty_string(const Json& value);
// One string as a JSON literal with its quotes.
std::string json_quote(std::string_view text);

}  // namespace synod::http
