// What the registry holds, as nodes of the coordination service: a copy in memory, and which nodes
// a change touches.
//
// Source   docs/formats/registry.md; src/mesos/registry.proto.
// Memory   A copy of everything in the registry.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "master/core/effects.h"
#include "master/core/types.h"
#include "master/messages.h"

namespace synod::master {

// Nodes below the registry's path, without it: "/agents/3f".
inline constexpr std::size_t agent_buckets = 256;
inline constexpr std::size_t happenings_max = 200;

std::string bucket_path(const core::AgentId& agent);
std::string framework_path(const core::FrameworkId& framework);
inline constexpr char epoch_path[] = "/epoch";  // the election's
inline constexpr char reign_path[] = "/reign";
inline constexpr char last_change_path[] = "/last_change";
inline constexpr char weights_path[] = "/weights";
inline constexpr char events_path[] = "/events";
inline constexpr char agents_path[] = "/agents";
inline constexpr char frameworks_path[] = "/frameworks";

// Who led: what the next master tells people about the end of it.
struct ReignRecord {
  std::string master_id;
  std::string address;
  MasterEpoch epoch;
  WallTime elected_at;
  Duration session_timeout;

  friend bool operator==(const ReignRecord&, const ReignRecord&) = default;
};

// The node by which a master learns whether a change whose answer was lost was made.
struct ChangeRecord {
  std::string master_id;
  std::uint64_t number = 0;

  friend bool operator==(const ChangeRecord&, const ChangeRecord&) = default;
};
Bytes encode(const ChangeRecord& record);
Result<ChangeRecord> read_change(ByteView bytes);

class Records {
 public:
  Records();
  ~Records();
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  // One node as it was read. Error: malformed.
  Status load(const std::string& path, ByteView bytes);
  core::RegistrySnapshot snapshot() const;

  // Changes the copy and adds the paths of the nodes that are no longer as they were.
  void apply(const core::ToRegistry& change, std::set<std::string>& dirty);
  void apply(const Happening& happening, std::set<std::string>& dirty);
  void apply(const ReignRecord& reign, std::set<std::string>& dirty);

  // What the node must hold; nullopt: it must not exist.
  std::optional<Bytes> node(const std::string& path) const;
  // How large that is, about.
  std::size_t size_of(const std::string& path) const;
  // True if the node exists in the coordination service as far as was loaded or written.
  bool exists(const std::string& path) const { return existing_.count(path) > 0; }
  // A change of these nodes was made.
  void written(const std::set<std::string>& paths);

  const std::deque<Happening>& happenings() const { return happenings_; }
  const std::optional<ReignRecord>& reign() const { return reign_; }

 private:
  struct Agents;  // protobuf
  std::unique_ptr<Agents> agents_;
  std::map<std::string, core::FrameworkRecord> frameworks_;  // by path
  std::vector<core::WeightRecord> weights_;
  std::deque<Happening> happenings_;
  std::optional<ReignRecord> reign_;
  std::set<std::string> existing_;
};

}  // namespace synod::master
