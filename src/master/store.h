// The few things a registry needs of a coordination service. An interface, so that the rules of the
// registry are tested without one; zk_store.h is the real one.
//
// Errors   not_found (no such node); busy (a check failed: somebody else changed something);
//          closed (the connection was lost: whether a write was made is unknown); any other code:
//          surely not made.
// Threads  Confined to the Seat's Lane. Each call calls back exactly once, on a later turn, unless
//          the store was destroyed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace synod::master {

struct StoredNode {
  Bytes data;
  std::int32_t version = 0;
};

// One part of a write. All parts of a write are made or none.
struct StoreChange {
  enum class Kind : std::uint8_t { check, create, set, remove };

  static constexpr std::int32_t any_version = -1;

  Kind kind = Kind::set;
  std::string path;
  Bytes data;
  std::int32_t version = any_version;

  friend bool operator==(const StoreChange&, const StoreChange&) = default;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual void read(const std::string& path, std::function<void(Result<StoredNode>)> done) = 0;
  // Names without the path.
  virtual void children(const std::string& path,
                        std::function<void(Result<std::vector<std::string>>)> done) = 0;
  virtual void write(std::vector<StoreChange> changes, std::function<void(Status)> done) = 0;
  // Afterwards reads show everything that was written before the call, by anybody.
  virtual void sync(std::function<void(Status)> done) = 0;
};

}  // namespace synod::master
