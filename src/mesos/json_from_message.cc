// Messages to JSON.

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>

#include "mesos/base64.h"
#include "mesos/encoding.h"

namespace synod::mesos {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Fields that Mesos retired keep their default in the messages but are written only when set.
bool writes_default(const FieldDescriptor& field) {
  return field.has_default_value() && field.full_name() != "mesos.v1.FrameworkInfo.role" &&
         field.full_name() != "mesos.v1.Resource.role";
}

void append_text(JsonWriter& out, const FieldDescriptor& field, const std::string& text) {
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    out.string(to_base64(text));
  } else {
    out.string(text);
  }
}

void append_single(JsonWriter& out, const Message& message, const FieldDescriptor& field) {
  const Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: out.integer(read.GetInt32(message, &field)); return;
    case FieldDescriptor::CPPTYPE_INT64: out.integer(read.GetInt64(message, &field)); return;
    case FieldDescriptor::CPPTYPE_UINT32:
      out.unsigned_integer(read.GetUInt32(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out.unsigned_integer(read.GetUInt64(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE: out.number(read.GetDouble(message, &field)); return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      out.number(static_cast<double>(read.GetFloat(message, &field)));
      return;
    case FieldDescriptor::CPPTYPE_BOOL: out.boolean(read.GetBool(message, &field)); return;
    case FieldDescriptor::CPPTYPE_ENUM: out.string(read.GetEnum(message, &field)->name()); return;
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      append_text(out, field, read.GetStringReference(message, &field, &scratch));
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      append_json(out, read.GetMessage(message, &field));
      return;
  }
}

void append_element(JsonWriter& out, const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      out.integer(read.GetRepeatedInt32(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      out.integer(read.GetRepeatedInt64(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      out.unsigned_integer(read.GetRepeatedUInt32(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out.unsigned_integer(read.GetRepeatedUInt64(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      out.number(read.GetRepeatedDouble(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      out.number(static_cast<double>(read.GetRepeatedFloat(message, &field, i)));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      out.boolean(read.GetRepeatedBool(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      out.string(read.GetRepeatedEnum(message, &field, i)->name());
      return;
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      append_text(out, field, read.GetRepeatedStringReference(message, &field, i, &scratch));
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      append_json(out, read.GetRepeatedMessage(message, &field, i));
      return;
  }
}

// All maps of these APIs have strings for keys. Written in order of the keys.
void append_map(JsonWriter& out, const Message& message, const FieldDescriptor& field) {
  const Reflection& read = *message.GetReflection();
  const FieldDescriptor* key = field.message_type()->map_key();
  const FieldDescriptor* value = field.message_type()->map_value();
  std::vector<std::pair<std::string, const Message*>> entries;
  const int count = read.FieldSize(message, &field);
  for (int i = 0; i < count; ++i) {
    const Message& entry = read.GetRepeatedMessage(message, &field, i);
    entries.emplace_back(entry.GetReflection()->GetString(entry, key), &entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  out.begin_object();
  for (const auto& entry : entries) {
    out.key(entry.first);
    append_single(out, *entry.second, *value);
  }
  out.end_object();
}

void append_field(JsonWriter& out, const Message& message, const FieldDescriptor& field) {
  const Reflection& read = *message.GetReflection();
  if (field.is_repeated()) {
    const int count = read.FieldSize(message, &field);
    if (count == 0) {
      return;
    }
    out.key(field.name());
    if (field.is_map()) {
      append_map(out, message, field);
      return;
    }
    out.begin_array();
    for (int i = 0; i < count; ++i) {
      append_element(out, message, field, i);
    }
    out.end_array();
  } else if (read.HasField(message, &field) || writes_default(field)) {
    out.key(field.name());
    append_single(out, message, field);
  }
}

}  // namespace

void append_json(JsonWriter& out, const google::protobuf::Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  out.begin_object();
  for (int i = 0; i < type.field_count(); ++i) {
    append_field(out, message, *type.field(i));
  }
  out.end_object();
}

std::string to_json(const google::protobuf::Message& message) {
  JsonWriter out;
  append_json(out, message);
  return out.take();
}

}  // namespace synod::mesos
