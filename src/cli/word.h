// A four-letter word, asked of a coordinator.
#pragma once

#include <map>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "cli/session.h"
#include "ports/address.h"

namespace synod::cli {

// The whole answer. Errors: refused, timed_out, and what else a connection may say.
Result<std::string> ask_word(Session& session, const ports::HostPort& server,
                             const std::string& word, Duration timeout);

// mntr's lines: "zk_synod_slot_applied" -> "17".
std::map<std::string, std::string> lines_of_mntr(const std::string& answer);

}  // namespace synod::cli
