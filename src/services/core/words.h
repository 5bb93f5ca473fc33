// What happened to an instance, in the words that notes and answers carry.
#pragma once

#include <cstdint>
#include <string>

#include "base/instant.h"
#include "services/core/core.h"

namespace synod::services::core {

// "exit status 3 (TASK_FAILED, from the executor)", or "TASK_LOST" when nobody said why.
std::string end_in_words(const Update& event);
// How long an instance ran: what fails at once is worth its milliseconds.
std::string lived_in_words(Duration lived);

// Before the restart that follows the n-th failure in a row, n from 1.
Duration pause_after(const App& app, std::uint32_t failures);
// "restarting in 1 s (1 of 5), then 2 s, 4 s ...": as many of the later pauses as will be.
std::string restarts_in_words(const App& app, std::uint32_t failures);

}  // namespace synod::services::core
