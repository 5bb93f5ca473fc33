// Assertions that stay on in release builds.
//
// A failed check is a bug of ours: it prints the place and the condition and aborts. What a peer, a
// disk or a user can cause is never a check (docs/design.md, section 1, promise 8); it is a Result.
#pragma once

namespace synod {

// Prints `file:line: check failed: what` to standard error and aborts. Never returns.
[[noreturn]] void check_failed(const char* file, int line, const char* what);

}  // namespace synod

#define SYNOD_CHECK(condition)                               \
  do {                                                       \
    if (!(condition)) [[unlikely]] {                         \
      ::synod::check_failed(__FILE__, __LINE__, #condition); \
    }                                                        \
  } while (false)

#define SYNOD_UNREACHABLE(what) ::synod::check_failed(__FILE__, __LINE__, what)
