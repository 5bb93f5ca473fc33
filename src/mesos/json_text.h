// JSON as text: writing it piece by piece, and reading it into a tree.
//
// Writing is compact and on one line (a RecordIO record of JSON holds no raw newline), escapes
// everything outside ASCII (some clients count characters where they should count bytes), and
// writes doubles as Mesos does: shortest digits that read back the same, whole ones with ".0".
// Reading is total: any byte string becomes a value or an Error; depth and size are bounded.
//
// Source   mesos.md, section 4 (the behaviour of Mesos' own JSON).
// Memory   JsonValue owns everything it holds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace synod::mesos {

// Nested arrays and objects deeper than this are refused.
inline constexpr int json_depth_max = 100;
// So are documents of more values: one costs some hundred bytes, and "[0,0,0" two a piece.
inline constexpr std::size_t json_values_max = 1'000'000;

// Writes one document, commas and colons included. Calls must nest properly: inside an object each
// value is preceded by key().
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view text);
  JsonWriter& boolean(bool value);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  JsonWriter& number(double value);
  JsonWriter& null();
  // One value that is JSON already.
  JsonWriter& raw(std::string_view json);

  // key and value in one.
  JsonWriter& field(std::string_view name, std::string_view text) { return key(name).string(text); }
  JsonWriter& field(std::string_view name, const char* text) { return key(name).string(text); }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }
  JsonWriter& field(std::string_view name, std::int64_t value) { return key(name).integer(value); }
  JsonWriter& field(std::string_view name, int value) { return key(name).integer(value); }
  JsonWriter& field(std::string_view name, std::uint32_t value) {
    return key(name).unsigned_integer(value);
  }
  JsonWriter& field(std::string_view name, std::uint64_t value) {
    return key(name).unsigned_integer(value);
  }
  JsonWriter& field(std::string_view name, double value) { return key(name).number(value); }

  std::size_t size() const { return text_.size(); }
  std::string take() { return std::move(text_); }

 private:
  void separate();

  std::string text_;
  bool comma_ = false;  // a value stands before this place at the same level
};

// The digits as Mesos writes them: "2.0", "0.1", "1.5e30", "Infinity".
std::string json_number(double value);
// Appends the text in quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

struct JsonValue {
  enum class Kind { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  std::string text;  // a string's characters in UTF-8; a number as it was written
  std::vector<JsonValue> items;
  std::vector<std::pair<std::string, JsonValue>> members;  // in order, repeats included

  // Defined where the type is complete: clang would look into its own members too early.
  JsonValue();
  ~JsonValue();
  JsonValue(const JsonValue& other);
  JsonValue(JsonValue&& other) noexcept;
  JsonValue& operator=(const JsonValue& other);
  JsonValue& operator=(JsonValue&& other) noexcept;

  // The last member of that name, as it is the last one that counts; nullptr if absent.
  const JsonValue* find(std::string_view name) const;
};

// The whole text must be one value. Error: malformed or too_large, with the byte offset.
Result<JsonValue> parse_json(std::string_view text);

}  // namespace synod::mesos
