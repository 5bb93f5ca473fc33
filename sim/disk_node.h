// What one file or directory of a SimDisk is: private to disk*.cc.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/disk.h"

namespace synod::sim {

struct SimDisk::FileChange {
  enum class Kind { write, size, flush };
  Kind kind = Kind::write;
  Instant start;
  Instant end;  // flush: nothing before it is in doubt once this has passed
  std::uint64_t owner = 0;
  std::uint64_t offset = 0;
  Bytes data;
  std::uint64_t size = 0;
  std::uint64_t lands_at = 0;  // write: the offset on the medium
  bool dropped = false;        // write: the medium never gets it
};

struct SimDisk::NameChange {
  enum class Kind { name, sync };
  Kind kind = Kind::name;
  Instant start;
  Instant end;  // sync
  std::uint64_t owner = 0;
  std::string name;
  NodePtr node;             // nullptr: the name goes
  std::uint64_t group = 0;  // changes of one directory and group are kept or lost together
};

struct SimDisk::Node {
  bool directory = false;

  Image seen;    // what readers get
  Image base;    // what readers would get without `changes`
  Image medium;  // what survives whatever happens
  std::vector<FileChange> changes;

  std::map<std::string, NodePtr> entries;
  std::map<std::string, NodePtr> medium_entries;
  std::vector<NameChange> name_changes;
  std::uint64_t lock = 0;  // 0, or the number of the lock that holds it
  std::uint64_t lock_owner = 0;
};

struct SimDisk::Place {
  NodePtr directory;
  std::string name;
};

}  // namespace synod::sim
