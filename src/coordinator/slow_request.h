// What a request that was slow asked for, in one line for the log. Only slow ones are looked at.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "zkwire/frame.h"

namespace synod::coordinator {

// Of an encoded command: "setData /a/b session=0x10001".
std::string slow_write_text(ByteView command);
// Of a request as it came, behind its header.
std::string slow_read_text(SessionId session, const zkwire::RequestHeader& header, ByteView body);

}  // namespace synod::coordinator
