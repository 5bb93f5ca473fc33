#include "mesos/encoding.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

namespace synod::mesos {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    if (lower(a[i]) != lower(b[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Encoding> encoding_of(std::string_view media_type) {
  const std::string_view type = trim(media_type.substr(0, media_type.find(';')));
  if (same_ignoring_case(type, json_type)) {
    return Encoding::json;
  }
  if (same_ignoring_case(type, protobuf_type)) {
    return Encoding::protobuf;
  }
  return std::nullopt;
}

const char* media_type(Encoding encoding) {
  return encoding == Encoding::json ? json_type : protobuf_type;
}

std::optional<Encoding> acceptable_encoding(std::string_view accept) {
  if (trim(accept).empty()) {
    return Encoding::json;
  }
  bool json = false;
  bool protobuf = false;
  while (!accept.empty()) {
    const auto comma = accept.find(',');
    const std::string_view one = accept.substr(0, comma);
    accept = comma == std::string_view::npos ? std::string_view{} : accept.substr(comma + 1);
    const std::string_view range = trim(one.substr(0, one.find(';')));
    const auto named = encoding_of(range);
    json = json || named == Encoding::json || range == "*/*" || range == "application/*";
    protobuf = protobuf || named == Encoding::protobuf;
  }
  if (json) {
    return Encoding::json;
  }
  return protobuf ? std::optional(Encoding::protobuf) : std::nullopt;
}

Bytes encode_protobuf(const google::protobuf::Message& message) {
  Bytes out;
  {
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializePartialToCodedStream(&coded);
  }
  return out;
}

Bytes encode(Encoding encoding, const google::protobuf::Message& message) {
  return encoding == Encoding::json ? to_json(message) : encode_protobuf(message);
}

Status decode_protobuf(ByteView bytes, google::protobuf::Message& message) {
  if (bytes.size() > static_cast<std::size_t>(INT32_MAX) ||
      !message.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error{ErrorCode::malformed, "not a protobuf " + message.GetDescriptor()->full_name()};
  }
  if (!message.IsInitialized()) {
    return Error{ErrorCode::malformed,
                 "missing required fields: " + message.InitializationErrorString()};
  }
  return {};
}

Status decode(Encoding encoding, ByteView bytes, google::protobuf::Message& message) {
  return encoding == Encoding::json ? from_json(bytes, message) : decode_protobuf(bytes, message);
}

}  // namespace synod::mesos
