// Messages to bytes and back, in the two encodings of the v1 APIs.
//
// JSON follows Mesos' own mapping, which is not protobuf's: exact field names, defaults written
// out, 64-bit numbers unquoted, null the same as absent, unknown keys and unknown names of optional
// enums ignored, keys in the order of declaration.
//
// Source   mesos.md, section 4.
// Errors   malformed, saying what and where ("framework_info.user: missing required field").
// Memory   The message is changed only by from_json and decode, and is partial after an error.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "mesos/json_text.h"

namespace google::protobuf {
class Message;
}

namespace synod::mesos {

enum class Encoding { json, protobuf };

inline constexpr char json_type[] = "application/json";
inline constexpr char protobuf_type[] = "application/x-protobuf";

// The media type without its parameters ("application/json; charset=utf-8" is JSON).
std::optional<Encoding> encoding_of(std::string_view media_type);
const char* media_type(Encoding encoding);
// What an Accept header asks for; JSON if it leaves the choice, nothing if it wants neither.
std::optional<Encoding> acceptable_encoding(std::string_view accept);

std::string to_json(const google::protobuf::Message& message);
void append_json(JsonWriter& out, const google::protobuf::Message& message);
Status from_json(std::string_view text, google::protobuf::Message& message);
Status from_json(const JsonValue& value, google::protobuf::Message& message);

// Map entries in order of their keys in both encodings: equal messages, equal bytes.
Bytes encode(Encoding encoding, const google::protobuf::Message& message);
Bytes encode_protobuf(const google::protobuf::Message& message);
Status decode(Encoding encoding, ByteView bytes, google::protobuf::Message& message);
Status decode_protobuf(ByteView bytes, google::protobuf::Message& message);

}  // namespace synod::mesos
