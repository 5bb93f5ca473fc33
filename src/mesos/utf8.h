// UTF-8, as far as JSON needs it. Total.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace synod::mesos {

// The code point that starts at `at`, which moves past it. Nothing, and `at` moves by one byte, for
// bytes that are no UTF-8 (overlong forms and surrogates included). Precondition: at < size.
std::optional<std::uint32_t> decode_utf8(std::string_view text, std::size_t& at);

void append_utf8(std::string& out, std::uint32_t point);

bool is_utf8(std::string_view text);

}  // namespace synod::mesos
