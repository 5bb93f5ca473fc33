// A value or the reason why there is none.
//
// Result carries what the machine or a peer may do to us: refused connections, full disks,
// malformed bytes. Outcomes of the domain (no such node, offer gone) are ordinary typed values
// instead, and bugs are SYNOD_CHECK. Nothing here throws.
//
// Threads: a value type; no sharing.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace synod {

enum class ErrorCode {
  invalid_argument,  // the caller's input cannot be right
  malformed,         // bytes that do not decode
  not_found,
  already_exists,
  permission_denied,
  refused,      // the other side said no at once (connection refused)
  unreachable,  // no way there, or silent
  timed_out,
  closed,     // the stream, file or part has ended
  full,       // a bounded queue or a disk has no room
  too_large,  // beyond a limit of base/limits.h
  corrupt,    // stored bytes fail their checksum or their place
  io,         // the kernel reported an I/O error
  unsupported,
  busy,  // somebody else holds it
  internal,
};

// The name of the code as it stands in logs: "refused", "timed_out".
const char* to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  // One sentence without a final stop, naming the thing and what failed:
  // "connect 127.0.0.1:2181: connection refused".
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

// "refused: connect 127.0.0.1:2181: connection refused".
std::string to_string(const Error& error);

// Prefixes the message: with_context("open log", e) reads "open log: ...".
Error with_context(const std::string& context, Error error);

template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return Error{...};` both read well.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition: ok().
  T& value() & {
    SYNOD_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    SYNOD_CHECK(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    SYNOD_CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T value_or(T otherwise) && {
    return ok() ? std::get<0>(std::move(state_)) : std::move(otherwise);
  }

  // Precondition: !ok().
  const E& error() const& {
    SYNOD_CHECK(!ok());
    return std::get<1>(state_);
  }
  E&& error() && {
    SYNOD_CHECK(!ok());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, E> state_;
};

template <typename E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }

  // Precondition: !ok().
  const E& error() const& {
    SYNOD_CHECK(!ok());
    return *error_;
  }
  E&& error() && {
    SYNOD_CHECK(!ok());
    return std::move(*error_);
  }

 private:
  std::optional<E> error_;
};

using Status = Result<void, Error>;

}  // namespace synod

// Returns the error of a Result to the caller; the value is dropped.
#define SYNOD_TRY(expression)                     \
  do {                                            \
    auto synod_try_result = (expression);         \
    if (!synod_try_result.ok()) {                 \
      return std::move(synod_try_result).error(); \
    }                                             \
  } while (false)

#define SYNOD_CONCAT_INNER(a, b) a##b
#define SYNOD_CONCAT(a, b) SYNOD_CONCAT_INNER(a, b)

// SYNOD_TRY_ASSIGN(auto file, open(...)): declares `file`, or returns the error to the caller.
#define SYNOD_TRY_ASSIGN(declaration, expression)                    \
  auto SYNOD_CONCAT(synod_result_, __LINE__) = (expression);         \
  if (!SYNOD_CONCAT(synod_result_, __LINE__).ok()) {                 \
    return std::move(SYNOD_CONCAT(synod_result_, __LINE__)).error(); \
  }                                                                  \
  declaration = std::move(SYNOD_CONCAT(synod_result_, __LINE__)).value()
