#include <optional>

#include "mesos/json_text.h"
#include "mesos/utf8.h"

namespace synod::mesos {

namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<JsonValue> document() {
    JsonValue value;
    skip_space();
    SYNOD_TRY(read(value, 0));
    skip_space();
    if (at_ != text_.size()) {
      return wrong("text after the value");
    }
    return value;
  }

 private:
  Error wrong(const std::string& what) const {
    return Error{ErrorCode::malformed, "JSON at byte " + std::to_string(at_) + ": " + what};
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool take(char c) {
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) == word) {
      at_ += word.size();
      return true;
    }
    return false;
  }

  Status read(JsonValue& out, int depth) {
    if (depth > json_depth_max) {
      return wrong("nested too deeply");
    }
    if (++values_ > json_values_max) {
      return Error{ErrorCode::too_large, "JSON of too many values"};
    }
    switch (peek()) {
      case '{': return read_object(out, depth);
      case '[': return read_array(out, depth);
      case '"': out.kind = JsonValue::Kind::string; return read_string(out.text);
      default: break;
    }
    if (take_word("null")) {
      return {};
    }
    if (take_word("true")) {
      out.kind = JsonValue::Kind::boolean;
      out.boolean = true;
      return {};
    }
    if (take_word("false")) {
      out.kind = JsonValue::Kind::boolean;
      return {};
    }
    return read_number(out);
  }

  Status read_object(JsonValue& out, int depth) {
    out.kind = JsonValue::Kind::object;
    ++at_;
    skip_space();
    if (take('}')) {
      return {};
    }
    do {
      skip_space();
      if (peek() != '"') {
        return wrong("expected a name in quotes");
      }
      auto& member = out.members.emplace_back();
      SYNOD_TRY(read_string(member.first));
      skip_space();
      if (!take(':')) {
        return wrong("expected ':'");
      }
      skip_space();
      SYNOD_TRY(read(member.second, depth + 1));
      skip_space();
    } while (take(','));
    return take('}') ? Status{} : wrong("expected ',' or '}'");
  }

  Status read_array(JsonValue& out, int depth) {
    out.kind = JsonValue::Kind::array;
    ++at_;
    skip_space();
    if (take(']')) {
      return {};
    }
    do {
      skip_space();
      SYNOD_TRY(read(out.items.emplace_back(), depth + 1));
      skip_space();
    } while (take(','));
    return take(']') ? Status{} : wrong("expected ',' or ']'");
  }

  bool digits() {
    const std::size_t start = at_;
    while (peek() >= '0' && peek() <= '9') {
      ++at_;
    }
    return at_ > start;
  }

  Status read_number(JsonValue& out) {
    const std::size_t start = at_;
    take('-');
    const bool leading_zero = peek() == '0';
    const std::size_t whole = at_;
    if (!digits() || (leading_zero && at_ - whole > 1)) {
      return wrong("expected a value");
    }
    if (take('.') && !digits()) {
      return wrong("expected digits after '.'");
    }
    if (take('e') || take('E')) {
      if (!take('+')) {
        take('-');
      }
      if (!digits()) {
        return wrong("expected digits in the exponent");
      }
    }
    out.kind = JsonValue::Kind::number;
    out.text = text_.substr(start, at_ - start);
    return {};
  }

  std::optional<std::uint32_t> hex4() {
    if (text_.size() - at_ < 4) {
      return std::nullopt;
    }
    std::uint32_t unit = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      unit <<= 4;
      if (c >= '0' && c <= '9') {
        unit |= static_cast<std::uint32_t>(c - '0');
      } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        unit |= static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
      } else {
        return std::nullopt;
      }
    }
    return unit;
  }

  Status read_unicode(std::string& out) {
    auto unit = hex4();
    if (!unit) {
      return wrong("expected four hexadecimal digits");
    }
    std::uint32_t point = *unit;
    if (point >= 0xd800 && point <= 0xdbff) {
      std::optional<std::uint32_t> low;
      if (take('\\') && take('u')) {
        low = hex4();
      }
      if (!low || *low < 0xdc00 || *low > 0xdfff) {
        return wrong("half of a surrogate pair");
      }
      point = 0x10000 + ((point - 0xd800) << 10) + (*low - 0xdc00);
    } else if (point >= 0xdc00 && point <= 0xdfff) {
      return wrong("half of a surrogate pair");
    }
    append_utf8(out, point);
    return {};
  }

  Status read_escape(std::string& out) {
    const char c = peek();
    ++at_;
    static constexpr std::string_view from = "\"\\/bfnrt";
    static constexpr std::string_view to = "\"\\/\b\f\n\r\t";
    if (auto found = from.find(c); found != std::string_view::npos) {
      out.push_back(to[found]);
      return {};
    }
    return c == 'u' ? read_unicode(out) : wrong("unknown escape");
  }

  Status read_string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return {};
      }
      if (c == '\\') {
        ++at_;
        SYNOD_TRY(read_escape(out));
      } else if (c < 0x20) {
        return wrong("control character in a string");
      } else if (c < 0x80) {
        out.push_back(text_[at_++]);
      } else {
        const std::size_t start = at_;
        if (!decode_utf8(text_, at_)) {
          return wrong("not UTF-8");
        }
        out.append(text_.substr(start, at_ - start));
      }
    }
    return wrong("unfinished string");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
};

}  // namespace

JsonValue::JsonValue() = default;
JsonValue::~JsonValue() = default;
JsonValue::JsonValue(const JsonValue& other) = default;
JsonValue::JsonValue(JsonValue&& other) noexcept = default;
JsonValue& JsonValue::operator=(const JsonValue& other) = default;
JsonValue& JsonValue::operator=(JsonValue&& other) noexcept = default;

const JsonValue* JsonValue::find(std::string_view name) const {
  const JsonValue* found = nullptr;
  for (const auto& member : members) {
    if (member.first == name) {
      found = &member.second;
    }
  }
  return found;
}

Result<JsonValue> parse_json(std::string_view text) { return Reader(text).document(); }

}  // namespace synod::mesos
