// JSON to messages.

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <type_traits>

#include "mesos/base64.h"
#include "mesos/encoding.h"

namespace synod::mesos {

namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Kind = JsonValue::Kind;

Error wrong(const FieldDescriptor& field, const std::string& what) {
  return Error{ErrorCode::malformed, field.full_name() + ": " + what};
}

// A number, or a string that holds one.
const std::string* number_text(const JsonValue& value) {
  return value.kind == Kind::number || value.kind == Kind::string ? &value.text : nullptr;
}

std::optional<double> as_double(const JsonValue& value) {
  const std::string* text = number_text(value);
  if (text == nullptr) {
    return std::nullopt;
  }
  if (value.kind == Kind::string && (*text == "Infinity" || *text == "-Infinity")) {
    const double infinity = std::numeric_limits<double>::infinity();
    return text->front() == '-' ? -infinity : infinity;
  }
  double out = 0;
  const char* end = text->data() + text->size();
  auto parsed = std::from_chars(text->data(), end, out);
  // inf and nan would pass from_chars too.
  if (parsed.ec != std::errc{} || parsed.ptr != end || !std::isfinite(out)) {
    return std::nullopt;
  }
  return out;
}

// Whole numbers in range, also when written as 3.0 or 3e0.
template <typename Int>
std::optional<Int> as_integer(const JsonValue& value) {
  const std::string* text = number_text(value);
  if (text == nullptr) {
    return std::nullopt;
  }
  Int out = 0;
  const char* end = text->data() + text->size();
  auto parsed = std::from_chars(text->data(), end, out);
  if (parsed.ec == std::errc{} && parsed.ptr == end) {
    return out;
  }
  const auto real = as_double(value);
  // The upper bound as a power of two is exact in a double; max() itself need not be.
  const double limit = std::ldexp(1.0, std::numeric_limits<Int>::digits);
  const double least = std::is_signed_v<Int> ? -limit : 0.0;
  if (!real || *real != std::floor(*real) || *real < least || *real >= limit) {
    return std::nullopt;
  }
  return static_cast<Int>(*real);
}

std::optional<bool> as_boolean(const JsonValue& value) {
  if (value.kind == Kind::boolean) {
    return value.boolean;
  }
  if (value.kind == Kind::string && (value.text == "true" || value.text == "false")) {
    return value.text == "true";
  }
  return std::nullopt;
}

// The member of each name that counts, which is the last. Found once: an object may hold a million.
std::map<std::string_view, const JsonValue*> last_members(const JsonValue& object) {
  std::map<std::string_view, const JsonValue*> last;
  for (const auto& member : object.members) {
    last[member.first] = &member.second;
  }
  return last;
}

// Puts a value into a field: sets it, or adds it to a repeated one.
class Put {
 public:
  Put(Message& message, const FieldDescriptor& field)
      : message_(message), field_(field), write_(*message.GetReflection()) {}

  Status operator()(const JsonValue& value) {
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return put(as_integer<std::int32_t>(value), &Reflection::SetInt32, &Reflection::AddInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return put(as_integer<std::int64_t>(value), &Reflection::SetInt64, &Reflection::AddInt64);
      case FieldDescriptor::CPPTYPE_UINT32:
        return put(as_integer<std::uint32_t>(value), &Reflection::SetUInt32,
                   &Reflection::AddUInt32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return put(as_integer<std::uint64_t>(value), &Reflection::SetUInt64,
                   &Reflection::AddUInt64);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return put(as_double(value), &Reflection::SetDouble, &Reflection::AddDouble);
      case FieldDescriptor::CPPTYPE_BOOL:
        return put(as_boolean(value), &Reflection::SetBool, &Reflection::AddBool);
      case FieldDescriptor::CPPTYPE_ENUM: return put_enum(value);
      case FieldDescriptor::CPPTYPE_STRING: return put_text(value);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return from_json(value, field_.is_repeated() ? *write_.AddMessage(&message_, &field_)
                                                     : *write_.MutableMessage(&message_, &field_));
      case FieldDescriptor::CPPTYPE_FLOAT: break;
    }
    return wrong(field_, "of a type that JSON cannot carry here");
  }

 private:
  template <typename T, typename Set, typename Add>
  Status put(std::optional<T> value, Set set, Add add) {
    if (!value) {
      return wrong(field_, std::string("expected ") + field_.type_name());
    }
    if (field_.is_repeated()) {
      (write_.*add)(&message_, &field_, *value);
    } else {
      (write_.*set)(&message_, &field_, *value);
    }
    return {};
  }

  Status put_enum(const JsonValue& value) {
    if (value.kind != Kind::string) {
      return wrong(field_, "expected the name of a value of " + field_.enum_type()->full_name());
    }
    const EnumValueDescriptor* known = field_.enum_type()->FindValueByName(value.text);
    if (known == nullptr) {
      // A later version's name: the same as a number that protobuf does not know.
      return field_.is_required() ? Status(wrong(field_, "unknown value '" + value.text + "'"))
                                  : Status{};
    }
    if (field_.is_repeated()) {
      write_.AddEnum(&message_, &field_, known);
    } else {
      write_.SetEnum(&message_, &field_, known);
    }
    return {};
  }

  Status put_text(const JsonValue& value) {
    if (value.kind != Kind::string) {
      return wrong(field_, "expected a string");
    }
    std::string text = value.text;
    if (field_.type() == FieldDescriptor::TYPE_BYTES) {
      auto bytes = from_base64(text);
      if (!bytes) {
        return wrong(field_, "not base64");
      }
      text = std::move(*bytes);
    }
    if (field_.is_repeated()) {
      write_.AddString(&message_, &field_, std::move(text));
    } else {
      write_.SetString(&message_, &field_, std::move(text));
    }
    return {};
  }

  Message& message_;
  const FieldDescriptor& field_;
  const Reflection& write_;
};

Status put_map(Message& message, const FieldDescriptor& field, const JsonValue& value) {
  if (value.kind != Kind::object) {
    return wrong(field, "expected an object");
  }
  const FieldDescriptor* key = field.message_type()->map_key();
  const FieldDescriptor* target = field.message_type()->map_value();
  for (const auto& member : last_members(value)) {
    if (member.second->kind == Kind::null) {
      continue;
    }
    Message* entry = message.GetReflection()->AddMessage(&message, &field);
    entry->GetReflection()->SetString(entry, key, std::string(member.first));
    SYNOD_TRY(Put(*entry, *target)(*member.second));
  }
  return {};
}

Status put_field(Message& message, const FieldDescriptor& field, const JsonValue& value) {
  if (value.kind == Kind::null) {
    return {};
  }
  if (field.is_map()) {
    return put_map(message, field, value);
  }
  if (!field.is_repeated() || value.kind != Kind::array) {
    return Put(message, field)(value);
  }
  for (const JsonValue& item : value.items) {
    if (item.kind != Kind::null) {
      SYNOD_TRY(Put(message, field)(item));
    }
  }
  return {};
}

Status put_object(const JsonValue& value, Message& message) {
  const auto& type = *message.GetDescriptor();
  if (value.kind != Kind::object) {
    return Error{ErrorCode::malformed, type.full_name() + ": expected an object"};
  }
  const auto last = last_members(value);
  // In the order of the text: of a oneof's members the last one stays.
  for (const auto& member : value.members) {
    const FieldDescriptor* field = type.FindFieldByName(member.first);
    if (field != nullptr && last.at(member.first) == &member.second) {
      SYNOD_TRY(put_field(message, *field, member.second));
    }
  }
  return {};
}

}  // namespace

Status from_json(const JsonValue& value, google::protobuf::Message& message) {
  return put_object(value, message);
}

Status from_json(std::string_view text, google::protobuf::Message& message) {
  SYNOD_TRY_ASSIGN(const JsonValue value, parse_json(text));
  SYNOD_TRY(put_object(value, message));
  if (!message.IsInitialized()) {
    return Error{ErrorCode::malformed,
                 "missing required fields: " + message.InitializationErrorString()};
  }
  return {};
}

}  // namespace synod::mesos
