// A Machine with one Lane for tests that use real sockets, files and processes.
//
// A test runs on its own thread: it acts on the Lane by on_lane() and waits by eventually(), which
// asks on the Lane until the answer is true or far too much time has passed.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "machine/machine.h"

namespace synod::test {

// A directory that vanishes with its owner.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/synod-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) {
      std::abort();
    }
  }
  ~TemporaryDirectory() {
    machine::Machine machine({.log_path = "", .log_level = LogLevel::error});
    (void)machine.disk().remove_tree(path_);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Real {
 public:
  explicit Real(LogLevel level = LogLevel::error)
      : machine_({.log_path = "", .log_level = level}), lane_(machine_.start_lane("test")) {}

  machine::Machine& machine() { return machine_; }
  ports::Lane& lane() { return lane_; }

  template <typename F>
  void on_lane(F&& act) {
    machine_.call(lane_, [&] { act(); });
  }

  // False only after a time that no healthy machine needs.
  bool eventually(const std::function<bool()>& condition,
                  std::chrono::seconds patience = std::chrono::seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (true) {
      bool holds = false;
      on_lane([&] { holds = condition(); });
      if (holds) {
        return true;
      }
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  machine::Machine machine_;
  ports::Lane& lane_;
};

}  // namespace synod::test
