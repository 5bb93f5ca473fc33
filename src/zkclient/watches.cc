#include "zkclient/watches.h"

namespace synod::zkclient {
namespace {

void move_out(std::map<std::string, std::vector<Watch>>& table, const std::string& path,
              std::vector<Watch>& to) {
  auto node = table.extract(path);
  if (!node.empty()) {
    std::move(node.mapped().begin(), node.mapped().end(), std::back_inserter(to));
  }
}

}  // namespace

void Watches::add(WatchKind kind, const std::string& path, Watch watch) {
  Table& table = kind == WatchKind::data ? data_ : kind == WatchKind::exist ? exist_ : child_;
  table[path].push_back(std::move(watch));
}

std::vector<Watch> Watches::take(const zkwire::WatcherEvent& event) {
  std::vector<Watch> fired;
  switch (event.type) {
    case zkwire::EventType::none: break;
    case zkwire::EventType::node_created:
    case zkwire::EventType::node_data_changed:
      move_out(data_, event.path, fired);
      move_out(exist_, event.path, fired);
      break;
    case zkwire::EventType::node_children_changed: move_out(child_, event.path, fired); break;
    case zkwire::EventType::node_deleted:
      move_out(data_, event.path, fired);
      move_out(exist_, event.path, fired);
      move_out(child_, event.path, fired);
      break;
  }
  return fired;
}

void Watches::clear() {
  data_.clear();
  exist_.clear();
  child_.clear();
}

std::vector<zkwire::SetWatchesRequest> Watches::renewals(std::int64_t zxid,
                                                         std::size_t size_max) const {
  std::vector<zkwire::SetWatchesRequest> requests;
  std::size_t size = size_max;
  const auto gather = [&](const Table& table,
                          std::vector<std::string> zkwire::SetWatchesRequest::*list) {
    for (const auto& [path, watches] : table) {
      if (requests.empty() || size + path.size() + 4 > size_max) {
        requests.emplace_back();
        requests.back().relative_zxid = zxid;
        size = 0;
      }
      (requests.back().*list).push_back(path);
      size += path.size() + 4;
    }
  };
  gather(data_, &zkwire::SetWatchesRequest::data_watches);
  gather(exist_, &zkwire::SetWatchesRequest::exist_watches);
  gather(child_, &zkwire::SetWatchesRequest::child_watches);
  return requests;
}

}  // namespace synod::zkclient
