#include "machine/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace synod::machine {
namespace {

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
    case ESRCH:
    case ENXIO:
    case ENOTDIR: return ErrorCode::not_found;
    case EEXIST:
    case ENOTEMPTY:
    case EADDRINUSE: return ErrorCode::already_exists;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission_denied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return ErrorCode::full;
    case ECONNREFUSED: return ErrorCode::refused;
    case ETIMEDOUT: return ErrorCode::timed_out;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN: return ErrorCode::unreachable;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return ErrorCode::closed;
    case EBUSY:
    case ETXTBSY: return ErrorCode::busy;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case ENOEXEC:
    case EADDRNOTAVAIL: return ErrorCode::invalid_argument;
    case E2BIG: return ErrorCode::too_large;
    case ENOSYS:
    case EOPNOTSUPP: return ErrorCode::unsupported;
    default: return ErrorCode::io;
  }
}

}  // namespace

void Descriptor::reset() {
  if (number_ >= 0) {
    // EINTR leaves the descriptor closed on Linux; a repeat could close somebody else's.
    ::close(number_);
    number_ = -1;
  }
}

Error error_of(int number, const std::string& what) {
  return Error{code_of(number), what + ": " + std::generic_category().message(number)};
}

Error last_error(const std::string& what) { return error_of(errno, what); }

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return last_error("pipe");
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

}  // namespace synod::machine
