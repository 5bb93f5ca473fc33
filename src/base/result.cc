#include "base/result.h"

namespace synod {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::malformed: return "malformed";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::already_exists: return "already_exists";
    case ErrorCode::permission_denied: return "permission_denied";
    case ErrorCode::refused: return "refused";
    case ErrorCode::unreachable: return "unreachable";
    case ErrorCode::timed_out: return "timed_out";
    case ErrorCode::closed: return "closed";
    case ErrorCode::full: return "full";
    case ErrorCode::too_large: return "too_large";
    case ErrorCode::corrupt: return "corrupt";
    case ErrorCode::io: return "io";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::busy: return "busy";
    case ErrorCode::internal: return "internal";
  }
  return "unknown";
}

std::string to_string(const Error& error) {
  return std::string(to_string(error.code)) + ": " + error.message;
}

Error with_context(const std::string& context, Error error) {
  error.message = context + ": " + error.message;
  return error;
}

}  // namespace synod
