// ZooKeeper's tree in its simplest form: what a reply ought to be.
//
// Only what the workload uses. Written from the protocol's description and from nothing of ours,
// so that it does not share the servers' mistakes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "zkwire/records.h"

namespace synod::sim::coordination {

struct ModelNode {
  zkwire::Buffer data;
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t pzxid = 0;
  std::int32_t version = 0;
  std::int32_t children_made = 0;
  std::int64_t ephemeral_owner = 0;
  std::set<std::string> children;
};

struct Change {
  std::int64_t zxid = 0;
  zkwire::EventType type = zkwire::EventType::none;
  std::string path;
};

class Model {
 public:
  Model();

  // Applies one part; `made` becomes the final path of a create. Appends to `changes` if it
  // succeeds.
  zkwire::Code create(const zkwire::CreateRequest& request, std::int64_t session, std::int64_t zxid,
                      std::string& made);
  zkwire::Code remove(const std::string& path, std::int32_t version, std::int64_t zxid);
  zkwire::Code set_data(const zkwire::SetDataRequest& request, std::int64_t zxid);
  zkwire::Code check(const std::string& path, std::int32_t version) const;
  // All or nothing, as the protocol says.
  zkwire::MultiReply multi(const zkwire::MultiRequest& request, std::int64_t session,
                           std::int64_t zxid);

  const ModelNode* find(const std::string& path) const;
  // Without times: those the model does not know.
  static zkwire::Stat stat(const ModelNode& node);
  const std::vector<Change>& changes() const { return changes_; }

 private:
  ModelNode* get(const std::string& path);  // to change it
  void changed(std::int64_t zxid, zkwire::EventType type, const std::string& path);

  std::map<std::string, ModelNode> nodes_;
  std::vector<Change> changes_;
  // Inside a multi: what its nodes were before; nullopt for one that was not there.
  std::optional<std::map<std::string, std::optional<ModelNode>>> undo_;
};

std::string parent_of(const std::string& path);

}  // namespace synod::sim::coordination
