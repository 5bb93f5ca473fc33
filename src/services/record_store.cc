#include "services/record_store.h"

#include <algorithm>

#include "http/json.h"
#include "services/record_json.h"

namespace synod::services {
namespace {

constexpr char root[] = "/synod.services";
constexpr std::size_t changes_per_multi_max = 64;
constexpr std::size_t bytes_per_multi_max = 256 << 10;
constexpr Duration retry_pause = Duration::millis(50);

std::string path_of(const std::string& app) { return std::string(root) + "/" + app; }

std::string framework_document(const std::string& id) {
  return http::to_string(http::Json::object({{"framework_id", id}}));
}

}  // namespace

RecordStore::RecordStore(ports::Lane& lane, zkclient::Client& client, std::string candidate_path,
                         Callbacks callbacks)
    : lane_(lane),
      client_(client),
      candidate_path_(std::move(candidate_path)),
      callbacks_(std::move(callbacks)) {}

void RecordStore::retry(void (RecordStore::*step)()) {
  lane_.after(retry_pause, scope_.wrap([this, step] { (this->*step)(); }));
}

void RecordStore::load(std::function<void(StoreContent)> done) {
  loaded_ = std::move(done);
  read_names();
}

void RecordStore::read_names() {
  content_ = {};
  client_.create_path(root, scope_.wrap([this](const zkclient::Answer<void>& made) {
    if (!made.ok()) {
      lane_.log().warning("services", "{}: {}", root, zkclient::to_string(made.error()));
      retry(&RecordStore::read_names);
      return;
    }
    // What the last leader wrote must be seen here, whichever server answers.
    client_.sync(root, [](const zkclient::Answer<void>&) {});
    client_.get_data(root, nullptr, scope_.wrap([this](const zkclient::Answer<zkclient::Data>& d) {
      const auto json = http::parse_json(d.ok() ? d->data : "");
      content_.framework_id = json.ok() ? std::string((*json)["framework_id"].as_string()) : "";
    }));
    client_.get_children(root, nullptr,
                         scope_.wrap([this](const zkclient::Answer<zkclient::Children>& children) {
                           if (!children.ok()) {
                             retry(&RecordStore::read_names);
                             return;
                           }
                           to_read_ = children->names;
                           std::sort(to_read_.begin(), to_read_.end());
                           read_next();
                         }));
  }));
}

void RecordStore::read_next() {
  if (to_read_.empty()) {
    std::exchange(loaded_, nullptr)(std::move(content_));
    return;
  }
  const std::string path = path_of(to_read_.back());
  client_.get_data(path, nullptr,
                   scope_.wrap([this, path](const zkclient::Answer<zkclient::Data>& data) {
                     if (!data.ok() && data.error().code != zkwire::Code::no_node) {
                       retry(&RecordStore::read_next);
                       return;
                     }
                     to_read_.pop_back();
                     if (data.ok()) {
                       existing_.insert(path);
                       auto record = record_from_json(data->data);
                       if (record.ok()) {
                         content_.records.push_back(std::move(*record));
                       } else {
                         lane_.log().error("services", "{} cannot be read and is left alone: {}",
                                           path, record.error().message);
                       }
                     }
                     read_next();
                   }));
}

void RecordStore::store(const core::Store& store) {
  queue_.push_back(
      {path_of(store.record.app.name), record_to_json(store.record), false, store.serial, nullptr});
  write_next();
}

void RecordStore::erase(const core::Erase& erase) {
  queue_.push_back({path_of(erase.name), "", true, erase.serial, nullptr});
  write_next();
}

void RecordStore::set_framework_id(const std::string& id, std::function<void()> done) {
  queue_.push_back({root, framework_document(id), false, 0, std::move(done)});
  write_next();
}

std::vector<zkwire::MultiPart> RecordStore::parts_of(std::size_t count) const {
  std::vector<zkwire::MultiPart> parts = {zkclient::check_part(candidate_path_, -1)};
  std::set<std::string> there = existing_;
  for (std::size_t i = 0; i < count; ++i) {
    const Change& change = queue_[i];
    if (change.path == root) {
      parts.push_back(zkclient::set_data_part(change.path, change.data, -1));
    } else if (change.remove) {
      if (there.erase(change.path) != 0) {
        parts.push_back(zkclient::remove_part(change.path, -1));
      }
    } else if (there.insert(change.path).second) {
      parts.push_back(
          zkclient::create_part(change.path, change.data, zkclient::CreateMode::persistent));
    } else {
      parts.push_back(zkclient::set_data_part(change.path, change.data, -1));
    }
  }
  return parts;
}

void RecordStore::write_next() {
  if (writing_ || queue_.empty()) {
    return;
  }
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (count < queue_.size() && count < changes_per_multi_max && bytes < bytes_per_multi_max) {
    bytes += queue_[count++].data.size();
  }
  writing_ = true;
  client_.multi(
      parts_of(count),
      scope_.wrap([this, count](const zkclient::Answer<std::vector<zkwire::MultiResult>>& answer) {
        written(count, answer);
      }));
}

void RecordStore::written(std::size_t count,
                          const zkclient::Answer<std::vector<zkwire::MultiResult>>& answer) {
  if (!answer.ok()) {
    writing_ = false;
    const zkclient::Failure& failure = answer.error();
    if (failure.code == zkwire::Code::no_node && failure.part == 0) {
      callbacks_.lost("our candidate node is gone");
    } else if (failure.code == zkwire::Code::node_exists || failure.code == zkwire::Code::no_node) {
      look_again(failure.part);
    } else if (failure.code == zkwire::Code::session_expired) {
      callbacks_.lost("our session expired");
    } else {
      lane_.log().warning("services", "records not written yet: {}", zkclient::to_string(failure));
      retry(&RecordStore::write_next);
    }
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Change change = std::move(queue_.front());
    queue_.pop_front();
    if (change.remove) {
      existing_.erase(change.path);
    } else if (change.path != root) {
      existing_.insert(change.path);
    }
    if (change.done) {
      change.done();
    } else {
      callbacks_.stored(change.serial);  // may queue more; nothing is sent before this loop ends
    }
  }
  writing_ = false;
  write_next();
}

// A multi of unknown outcome had taken effect: what exists is not what we thought.
void RecordStore::look_again(std::size_t part) {
  lane_.log().info("services", "part {} of a write found another state; reading the names again",
                   part);
  client_.get_children(root, nullptr,
                       scope_.wrap([this](const zkclient::Answer<zkclient::Children>& children) {
                         if (children.ok()) {
                           existing_.clear();
                           for (const std::string& name : children->names) {
                             existing_.insert(path_of(name));
                           }
                         }
                         retry(&RecordStore::write_next);
                       }));
}

}  // namespace synod::services
