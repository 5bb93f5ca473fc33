#include "http/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>

namespace synod::http {
namespace {

// Collects what Boost's parser reports into our own values.
class Builder {
 public:
  // Demanded by the parser; the true bounds are those of JsonLimits.
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Fault = boost::system::error_code;
  using Text = boost::json::string_view;

  bool on_document_begin(Fault&) { return true; }
  bool on_document_end(Fault&) { return true; }
  bool on_object_begin(Fault&) { return open(Json::object()); }
  bool on_object_end(std::size_t, Fault&) { return close(); }
  bool on_array_begin(Fault&) { return open(Json::array()); }
  bool on_array_end(std::size_t, Fault&) { return close(); }
  bool on_key_part(Text part, std::size_t, Fault&) { return gather(part); }
  bool on_key(Text part, std::size_t, Fault&) {
    gather(part);
    keys_.push_back(std::exchange(text_, {}));
    return true;
  }
  bool on_string_part(Text part, std::size_t, Fault&) { return gather(part); }
  bool on_string(Text part, std::size_t, Fault&) {
    gather(part);
    return put(Json(std::exchange(text_, {})));
  }
  bool on_number_part(Text part, Fault&) { return gather(part); }
  bool on_int64(std::int64_t value, Text, Fault&) {
    text_.clear();
    return put(Json(value));
  }
  bool on_uint64(std::uint64_t value, Text, Fault&) {
    text_.clear();
    return put(Json(value));
  }
  // Boost's own conversion may be off in the last place: read again, exactly.
  bool on_double(double value, Text part, Fault&) {
    gather(part);
    const std::string digits = std::exchange(text_, {});
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return put(Json(value));
  }
  bool on_bool(bool value, Fault&) { return put(Json(value)); }
  bool on_null(Fault&) { return put(Json()); }
  bool on_comment_part(Text, Fault&) { return true; }
  bool on_comment(Text, Fault&) { return true; }

  Json take() { return std::move(root_); }

 private:
  bool gather(Text part) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool open(Json container) {
    stack_.push_back(std::move(container));
    return true;
  }

  bool close() {
    Json done = std::move(stack_.back());
    stack_.pop_back();
    return put(std::move(done));
  }

  bool put(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().is_array()) {
      stack_.back().push(std::move(value));
    } else {
      stack_.back().append_member(std::move(keys_.back()), std::move(value));
      keys_.pop_back();
    }
    return true;
  }

  std::vector<Json> stack_;
  std::vector<std::string> keys_;
  std::string text_;
  Json root_;
};

void append_escape(std::string& out, unsigned unit) {
  static constexpr char digits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    out.push_back(digits[(unit >> shift) & 15]);
  }
}

// Decodes one code point at `at` and moves past it; U+FFFD for what is not UTF-8.
unsigned next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  unsigned value = first & (0x7fU >> length);
  bool good = first >= 0xc2 && first <= 0xf4;
  for (std::size_t i = 1; good && i < length; ++i) {
    good = (byte(at + i) & 0xc0U) == 0x80U;
    value = (value << 6) | (byte(at + i) & 0x3fU);
  }
  const unsigned least = length == 4 ? 0x10000U : length == 3 ? 0x800U : 0x80U;
  if (!good || value < least || value > 0x10ffffU || (value >= 0xd800U && value < 0xe000U)) {
    at += 1;
    return 0xfffdU;
  }
  at += length;
  return value;
}

void append_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t at = 0;
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(text[at++]);
    } else if (c >= 0x20 && c < 0x7f) {
      out.push_back(text[at++]);
    } else if (c < 0x80) {
      ++at;
      switch (c) {
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        default: append_escape(out, c);
      }
    } else {
      const unsigned point = next_code_point(text, at);
      if (point >= 0x10000U) {
        append_escape(out, 0xd800U + ((point - 0x10000U) >> 10));
        append_escape(out, 0xdc00U + ((point - 0x10000U) & 0x3ffU));
      } else {
        append_escape(out, point);
      }
    }
  }
  out.push_back('"');
}

void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";  // JSON has no such numbers
    return;
  }
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  const std::string_view digits(text, static_cast<std::size_t>(end - text));
  out += digits;
  if (digits.find_first_of(".e") == std::string_view::npos) {
    out += ".0";
  }
}

// indent < 0: compact.
void append(std::string& out, const Json& value, int indent) {
  const auto line = [&](int depth) {
    if (depth >= 0) {
      out.push_back('\n');
      out.append(static_cast<std::size_t>(depth) * 2, ' ');
    }
  };
  const int inner = indent < 0 ? -1 : indent + 1;
  switch (value.kind()) {
    case Json::Kind::null: out += "null"; return;
    case Json::Kind::boolean: out += value.as_bool() ? "true" : "false"; return;
    case Json::Kind::integer: out += std::to_string(value.as_int()); return;
    case Json::Kind::unsigned_integer: out += std::to_string(value.as_unsigned()); return;
    case Json::Kind::real: append_double(out, value.as_double()); return;
    case Json::Kind::string: append_string(out, value.as_string()); return;
    case Json::Kind::array: {
      out.push_back('[');
      const char* comma = "";
      for (const Json& item : value.items()) {
        out += std::exchange(comma, ",");
        line(inner);
        append(out, item, inner);
      }
      if (!value.items().empty()) {
        line(indent);
      }
      out.push_back(']');
      return;
    }
    case Json::Kind::object: {
      out.push_back('{');
      const char* comma = "";
      for (const auto& [name, member] : value.members()) {
        out += std::exchange(comma, ",");
        line(inner);
        append_string(out, name);
        out += indent < 0 ? ":" : ": ";
        append(out, member, inner);
      }
      if (!value.members().empty()) {
        line(indent);
      }
      out.push_back('}');
      return;
    }
  }
}

const Json null_value;

}  // namespace

Json::Json(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(INT64_MAX)) {
    value_ = static_cast<std::int64_t>(value);
  } else {
    value_ = value;
  }
}

Json Json::object() { return Json(Object{}); }

Json Json::object(std::initializer_list<Member> members) { return Json(Object(members)); }

bool Json::is_number() const {
  return kind() == Kind::integer || kind() == Kind::unsigned_integer || kind() == Kind::real;
}

bool Json::as_bool(bool otherwise) const {
  const bool* value = std::get_if<bool>(&value_);
  return value == nullptr ? otherwise : *value;
}

std::int64_t Json::as_int(std::int64_t otherwise) const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) {
    return *value;
  }
  const auto* real = std::get_if<double>(&value_);
  // 2^63 is exact as a double; the greatest double below it fits.
  if (real != nullptr && *real >= -0x1p63 && *real < 0x1p63 && std::trunc(*real) == *real) {
    return static_cast<std::int64_t>(*real);
  }
  return otherwise;
}

std::uint64_t Json::as_unsigned(std::uint64_t otherwise) const {
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) {
    return *value;
  }
  const std::int64_t small = as_int(-1);
  return small < 0 ? otherwise : static_cast<std::uint64_t>(small);
}

double Json::as_double(double otherwise) const {
  if (const auto* value = std::get_if<double>(&value_)) {
    return *value;
  }
  if (const auto* value = std::get_if<std::int64_t>(&value_)) {
    return static_cast<double>(*value);
  }
  const auto* value = std::get_if<std::uint64_t>(&value_);
  return value == nullptr ? otherwise : static_cast<double>(*value);
}

std::string_view Json::as_string() const {
  const auto* value = std::get_if<std::string>(&value_);
  return value == nullptr ? std::string_view() : std::string_view(*value);
}

const Json::Array& Json::items() const {
  static const Array empty;
  const auto* value = std::get_if<Array>(&value_);
  return value == nullptr ? empty : *value;
}

const Json::Object& Json::members() const {
  static const Object empty;
  const auto* value = std::get_if<Object>(&value_);
  return value == nullptr ? empty : *value;
}

const Json* Json::find(std::string_view name) const {
  const Object& all = members();
  for (auto at = all.rbegin(); at != all.rend(); ++at) {  // of repeated names the last counts
    if (at->first == name) {
      return at->second.is_null() ? nullptr : &at->second;
    }
  }
  return nullptr;
}

const Json& Json::operator[](std::string_view name) const {
  const Json* found = find(name);
  return found == nullptr ? null_value : *found;
}

const Json* Json::at_path(std::string_view path) const {
  const Json* at = this;
  while (at != nullptr && !path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string_view step = path.substr(0, dot);
    path.remove_prefix(std::min(dot + 1, path.size()));
    if (!at->is_array()) {
      at = at->find(step);
      continue;
    }
    std::size_t index = 0;
    const auto parsed = std::from_chars(step.data(), step.data() + step.size(), index);
    const bool good = parsed.ec == std::errc() && parsed.ptr == step.data() + step.size();
    at = good && index < at->items().size() ? &at->items()[index] : nullptr;
  }
  return at;
}

Json& Json::set(std::string_view name, Json value) {
  if (is_null()) {
    value_ = Object{};
  }
  SYNOD_CHECK(is_object());
  for (Member& member : std::get<Object>(value_)) {
    if (member.first == name) {
      member.second = std::move(value);
      return *this;
    }
  }
  return append_member(std::string(name), std::move(value));
}

Json& Json::append_member(std::string name, Json value) {
  SYNOD_CHECK(is_object());
  std::get<Object>(value_).emplace_back(std::move(name), std::move(value));
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) {
    value_ = Array{};
  }
  SYNOD_CHECK(is_array());
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.size_bytes_max) {
    return Error{ErrorCode::too_large, "JSON of " + std::to_string(text.size()) + " bytes"};
  }
  boost::json::parse_options options;
  options.max_depth = limits.depth_max;
  boost::json::basic_parser<Builder> parser(options);
  boost::system::error_code fault;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), fault);
  if (fault == boost::json::error::too_deep) {
    return Error{ErrorCode::too_large, "JSON: nested too deeply"};
  }
  if (fault) {
    return Error{ErrorCode::malformed,
                 "JSON: " + fault.message() + " at byte " + std::to_string(used)};
  }
  if (used < text.size()) {
    return Error{ErrorCode::malformed, "JSON: more after the end, at byte " + std::to_string(used)};
  }
  return parser.handler().take();
}

std::string to_string(const Json& value) {
  std::string out;
  append(out, value, -1);
  return out;
}

std::string to_pretty_string(const Json& value) {
  std::string out;
  append(out, value, 0);
  return out;
}

std::string json_quote(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

}  // namespace synod::http
