// The scheduler's records in the coordination service: /synod.services/NAME, one JSON document an
// app; the data of /synod.services itself names the framework id.
//
// Every write is a multi that checks the leader's candidate node, so a deposed leader changes
// nothing. Writes are done in order, gathered while one is under way. One whose outcome is unknown
// is done again: it sets whole documents, so twice is as good as once.
//
// Threads  Confined to its Lane.
// Memory   Borrows the client. Destroying it abandons what is under way.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ports/lane.h"
#include "ports/scope.h"
#include "services/core/core.h"
#include "zkclient/client.h"

namespace synod::services {

struct StoreContent {
  std::string framework_id;
  std::vector<core::Record> records;
};

class RecordStore {
 public:
  struct Callbacks {
    std::function<void(std::uint64_t serial)> stored;
    // The candidate node is gone, or the service refuses us for good: we do not lead any more.
    std::function<void(const std::string& why)> lost;
  };

  RecordStore(ports::Lane& lane, zkclient::Client& client, std::string candidate_path,
              Callbacks callbacks);

  // Reads everything; `done` once. A record that cannot be read is logged and left alone.
  void load(std::function<void(StoreContent)> done);

  void store(const core::Store& store);
  void erase(const core::Erase& erase);
  void set_framework_id(const std::string& id, std::function<void()> done);

 private:
  struct Change {
    std::string path;
    Bytes data;
    bool remove = false;
    std::uint64_t serial = 0;    // of a Store or Erase
    std::function<void()> done;  // of the framework id
  };

  void read_names();
  void read_next();
  void write_next();
  std::vector<zkwire::MultiPart> parts_of(std::size_t count) const;
  void written(std::size_t count, const zkclient::Answer<std::vector<zkwire::MultiResult>>& answer);
  void look_again(std::size_t part);
  void retry(void (RecordStore::*step)());

  ports::Lane& lane_;
  zkclient::Client& client_;
  const std::string candidate_path_;
  Callbacks callbacks_;
  std::function<void(StoreContent)> loaded_;
  StoreContent content_;
  std::vector<std::string> to_read_;
  std::set<std::string> existing_;  // paths of records that are there
  std::deque<Change> queue_;
  bool writing_ = false;
  ports::Scope scope_;
};

}  // namespace synod::services
