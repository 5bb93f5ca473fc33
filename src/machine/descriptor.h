// An owned file descriptor, and errno as an Error.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace synod::machine {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void reset();  // closes

 private:
  int number_ = -1;
};

// The Error of an errno value: "`what`: No such file or directory".
Error error_of(int number, const std::string& what);
// The Error of the current errno.
Error last_error(const std::string& what);

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};
// Both ends CLOEXEC.
Result<Pipe> make_pipe();

}  // namespace synod::machine
