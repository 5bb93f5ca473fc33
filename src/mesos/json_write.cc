#include <charconv>
#include <cmath>

#include "mesos/json_text.h"
#include "mesos/utf8.h"

namespace synod::mesos {

namespace {

void append_escape(std::string& out, std::uint32_t unit) {
  static constexpr char digits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    out.push_back(digits[(unit >> shift) & 0xf]);
  }
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        append_escape(out, static_cast<unsigned char>(c));
      } else {
        out.push_back(c);
      }
  }
}

// Lays out the significant digits with the point after the first `point` of them.
std::string lay_out(std::string_view digits, int point) {
  const int count = static_cast<int>(digits.size());
  std::string out;
  if (count <= point && point <= 21) {
    out = digits;
    out.append(static_cast<std::size_t>(point - count), '0');
    out += ".0";
  } else if (point > 0 && point <= 21) {
    out = digits.substr(0, static_cast<std::size_t>(point));
    out += '.';
    out += digits.substr(static_cast<std::size_t>(point));
  } else if (point > -6 && point <= 0) {
    out = "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else {
    out = digits.substr(0, 1);
    if (count > 1) {
      out += '.';
      out += digits.substr(1);
    }
    out += 'e';
    out += std::to_string(point - 1);
  }
  return out;
}

}  // namespace

std::string json_number(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Infinity" : "Infinity";
  }
  if (value == 0) {
    return std::signbit(value) ? "-0.0" : "0.0";
  }
  char buffer[64];
  auto end =
      std::to_chars(buffer, buffer + sizeof buffer, std::abs(value), std::chars_format::scientific);
  const std::string_view shortest(buffer, static_cast<std::size_t>(end.ptr - buffer));
  const auto e = shortest.find('e');
  std::string digits(shortest.substr(0, 1));
  if (e > 2) {
    digits += shortest.substr(2, e - 2);
  }
  int exponent = 0;
  const char* first = shortest.data() + e + 1;
  if (*first == '+') {
    ++first;
  }
  std::from_chars(first, end.ptr, exponent);
  return (value < 0 ? "-" : "") + lay_out(digits, exponent + 1);
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      append_ascii(out, text[at]);
      ++at;
      continue;
    }
    const std::uint32_t point = decode_utf8(text, at).value_or(0xfffd);
    if (point >= 0x10000) {
      append_escape(out, 0xd800 + ((point - 0x10000) >> 10));
      append_escape(out, 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      append_escape(out, point);
    }
  }
  out.push_back('"');
}

void JsonWriter::separate() {
  if (comma_) {
    text_.push_back(',');
  }
  comma_ = true;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  text_.push_back('{');
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  text_.push_back('}');
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  text_.push_back('[');
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  text_.push_back(']');
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(text_, name);
  text_.push_back(':');
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_json_string(text_, text);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::integer(std::int64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::number(double value) { return raw(json_number(value)); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  text_ += json;
  return *this;
}

}  // namespace synod::mesos
