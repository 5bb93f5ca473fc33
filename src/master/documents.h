// The read-only endpoints that Mesos' tools read: /state and its parts, and metrics.
//
// Source   mesos.md 8.1 and 8.3: names, order and shape are those of Mesos 1.11.
// Threads  Pure functions of immutable pictures.
#pragma once

#include <cstdint>
#include <string>

#include "master/messages.h"
#include "master/options.h"

namespace synod::master {

struct TaskQuery {
  std::size_t limit = 100;
  std::size_t offset = 0;
  bool ascending = false;
  std::string framework;  // "": all
  std::string task;       // "": all
};

struct Facts {  // what pages tell beside the picture; borrowed for the call
  const Picture& picture;
  const Identity& self;
  const Options& options;
  WallTime now;
};

std::string state_page(const Facts& facts);
std::string state_summary_page(const Facts& facts);
// `only`: the id of one agent or framework, "" for all.
std::string slaves_page(const Facts& facts, const std::string& only);
std::string frameworks_page(const Facts& facts, const std::string& only);
std::string tasks_page(const Facts& facts, const TaskQuery& query);
std::string roles_page(const Facts& facts);
std::string metrics_page(const Facts& facts);

}  // namespace synod::master
