#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace synod {

void check_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
  std::fflush(stderr);
  std::abort();
}

}  // namespace synod
