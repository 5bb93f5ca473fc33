// Standard base64 with padding (RFC 4648, section 4).
#pragma once

#include <optional>

#include "base/bytes.h"

namespace synod::mesos {

std::string to_base64(ByteView bytes);
// Nothing for characters outside the alphabet. Missing padding is forgiven.
std::optional<Bytes> from_base64(std::string_view text);

}  // namespace synod::mesos
