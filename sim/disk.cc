#include "sim/disk.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "sim/disk_node.h"

namespace synod::sim {
namespace {

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from < path.size()) {
    std::size_t to = path.find('/', from);
    to = to == std::string::npos ? path.size() : to;
    if (to != from && path.compare(from, to - from, ".") != 0) {
      parts.push_back(path.substr(from, to - from));
    }
    from = to + 1;
  }
  return parts;
}

Error missing(const std::string& path) {
  return Error{ErrorCode::not_found, path + ": no such file or directory"};
}

Error no_power() { return Error{ErrorCode::io, "the power is gone"}; }

}  // namespace

class SimFile final : public ports::File {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<SimDisk::Node> node, bool writable)
      : disk_(disk), node_(std::move(node)), writable_(writable), boot_(disk.boot_) {}

  Result<Bytes> read_at(std::uint64_t offset, std::size_t size) override {
    SYNOD_TRY(begin_read());
    return node_->seen.read(offset, size);
  }

  Result<Bytes> read_medium_at(std::uint64_t offset, std::size_t size) override {
    SYNOD_TRY(begin_read());
    Image medium = node_->medium;
    const auto& changes = node_->changes;
    std::size_t flushed = changes.size();
    while (flushed > 0 && changes[flushed - 1].kind != SimDisk::FileChange::Kind::flush) {
      --flushed;
    }
    for (std::size_t i = 0; i < flushed; ++i) {
      if (changes[i].kind == SimDisk::FileChange::Kind::size) {
        if (!changes[i].dropped) {
          medium.resize(changes[i].size);
        }
      } else if (!changes[i].dropped) {
        medium.write(changes[i].lands_at, changes[i].data);
      }
    }
    return medium.read(offset, size);
  }

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    SYNOD_TRY(check_writable());
    return disk_.write(*node_, offset, bytes);
  }
  Status flush() override {
    SYNOD_TRY(check_alive());
    return disk_.flush(*node_);
  }
  Status truncate(std::uint64_t size) override {
    SYNOD_TRY(check_writable());
    return disk_.truncate(*node_, size);
  }
  Result<std::uint64_t> size() override {
    SYNOD_TRY(check_alive());
    return node_->seen.size();
  }

 private:
  Status check_alive() const {
    if (boot_ != disk_.boot_ || !disk_.powered_) {
      return no_power();
    }
    return {};
  }
  Status check_writable() const {
    SYNOD_TRY(check_alive());
    if (!writable_) {
      return Error{ErrorCode::permission_denied, "the file is open for reading"};
    }
    return {};
  }
  Status begin_read() {
    SYNOD_TRY(check_alive());
    disk_.spend_call();
    if (disk_.strikes(disk_.faults_.read_fails_once_in)) {
      return Error{ErrorCode::io, "read failed"};
    }
    return {};
  }

  SimDisk& disk_;
  std::shared_ptr<SimDisk::Node> node_;  // outlives its name, as an open file does
  bool writable_;
  std::uint64_t boot_;
};

class SimDirectoryLock final : public ports::DirectoryLock {
 public:
  SimDirectoryLock(std::shared_ptr<SimDisk::Node> node, std::uint64_t lock)
      : node_(std::move(node)), lock_(lock) {}
  ~SimDirectoryLock() override {
    if (node_->lock == lock_) {
      node_->lock = 0;
    }
  }

 private:
  std::shared_ptr<SimDisk::Node> node_;
  std::uint64_t lock_;
};

SimDisk::SimDisk(DiskClock& clock, std::uint64_t seed, DiskOptions options)
    : clock_(clock), prng_(seed), options_(options), root_(std::make_shared<Node>()) {
  root_->directory = true;
}

SimDisk::~SimDisk() = default;

void SimDisk::spend_call() { clock_.spend(options_.call_latency * faults_.slowness); }

void SimDisk::spend_flush() {
  const std::int64_t span =
      prng_.between(options_.flush_latency_min.nanos(), options_.flush_latency_max.nanos());
  clock_.spend(Duration::nanos(span) * faults_.slowness);
}

SimDisk::Outcome SimDisk::begin_operation() {
  if (!powered_) {
    return Outcome::no_power;
  }
  ++operations_;
  if (operations_ != lose_power_at_) {
    return Outcome::done;
  }
  powered_ = false;
  lost_at_ = clock_.now();
  if (power_lost_) {
    power_lost_();
  }
  return prng_.chance(1, 2) ? Outcome::done : Outcome::undone;
}

// The head of every call that changes something: an error means that it must not be done.
Status SimDisk::begin_change(const std::string& what) {
  const Outcome outcome = begin_operation();
  if (outcome != Outcome::done) {
    return no_power();
  }
  spend_call();
  if (strikes(faults_.write_fails_once_in)) {
    return Error{ErrorCode::io, what + ": input/output error"};
  }
  return {};
}

void SimDisk::lose_power_at_operation(std::uint64_t operation, std::function<void()> lost) {
  lose_power_at_ = operation;
  power_lost_ = std::move(lost);
}

SimDisk::NodePtr SimDisk::find(const std::string& path) const {
  NodePtr node = root_;
  for (const std::string& part : split(path)) {
    auto it = node->entries.find(part);
    if (it == node->entries.end()) {
      return nullptr;
    }
    node = it->second;
  }
  return node;
}

Result<SimDisk::Place> SimDisk::find_parent(const std::string& path) const {
  std::vector<std::string> parts = split(path);
  if (parts.empty()) {
    return Error{ErrorCode::invalid_argument, path + ": is the root"};
  }
  NodePtr node = root_;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    auto it = node->entries.find(parts[i]);
    if (it == node->entries.end() || !it->second->directory) {
      return missing(path);
    }
    node = it->second;
  }
  return Place{std::move(node), std::move(parts.back())};
}

void SimDisk::change_name(Node& directory, const std::string& name, NodePtr node,
                          std::uint64_t group) {
  if (auto it = directory.entries.find(name); it != directory.entries.end()) {
    used_ -= std::min(used_, count_used(*it->second));
    directory.entries.erase(it);
  }
  if (node != nullptr) {
    used_ += count_used(*node);
    directory.entries[name] = node;
  }
  NameChange change;
  change.start = clock_.now();
  change.owner = clock_.owner();
  change.name = name;
  change.node = std::move(node);
  change.group = group;
  directory.name_changes.push_back(std::move(change));
}

Result<SimDisk::NodePtr> SimDisk::create(const std::string& path) {
  SYNOD_TRY_ASSIGN(Place place, find_parent(path));
  SYNOD_TRY(begin_change(path));
  if (used_ >= options_.capacity_bytes) {
    return Error{ErrorCode::full, path + ": no space left on device"};
  }
  auto node = std::make_shared<Node>();
  change_name(*place.directory, place.name, node, group_next_++);
  return node;
}

Result<std::unique_ptr<ports::File>> SimDisk::open(const std::string& path, ports::OpenMode mode) {
  using ports::OpenMode;
  if (!powered_) {
    return no_power();
  }
  NodePtr node = find(path);
  if (node != nullptr && node->directory) {
    return Error{ErrorCode::invalid_argument, path + ": is a directory"};
  }
  if (node != nullptr && mode == OpenMode::create_new) {
    return Error{ErrorCode::already_exists, path + ": exists"};
  }
  if (node == nullptr && (mode == OpenMode::read || mode == OpenMode::write)) {
    return missing(path);
  }
  if (node == nullptr) {
    SYNOD_TRY_ASSIGN(node, create(path));
    if (!powered_) {
      return no_power();
    }
  } else {
    spend_call();
  }
  return std::unique_ptr<ports::File>(
      std::make_unique<SimFile>(*this, std::move(node), mode != OpenMode::read));
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  NodePtr node = find(from);
  if (node == nullptr) {
    return missing(from);
  }
  SYNOD_TRY_ASSIGN(Place source, find_parent(from));
  SYNOD_TRY_ASSIGN(Place target, find_parent(to));
  SYNOD_TRY(begin_change(from));
  if (source.directory != target.directory || source.name != target.name) {
    const std::uint64_t group = group_next_++;
    change_name(*target.directory, target.name, node, group);
    change_name(*source.directory, source.name, nullptr, group);
  }
  return powered_ ? Status() : no_power();
}

Status SimDisk::remove(const std::string& path) {
  NodePtr node = find(path);
  if (node == nullptr) {
    return missing(path);
  }
  if (node->directory && !node->entries.empty()) {
    return Error{ErrorCode::invalid_argument, path + ": directory not empty"};
  }
  SYNOD_TRY_ASSIGN(Place place, find_parent(path));
  SYNOD_TRY(begin_change(path));
  change_name(*place.directory, place.name, nullptr, group_next_++);
  return powered_ ? Status() : no_power();
}

Status SimDisk::sync_directory(const std::string& path) {
  NodePtr node = find(path);
  if (node == nullptr || !node->directory) {
    return missing(path);
  }
  if (begin_operation() != Outcome::done) {
    return no_power();
  }
  const Instant start = clock_.now();
  spend_flush();
  if (strikes(faults_.flush_fails_once_in)) {
    return Error{ErrorCode::io, path + ": sync failed"};
  }
  NameChange sync;
  sync.kind = NameChange::Kind::sync;
  sync.start = start;
  sync.end = clock_.now();
  sync.owner = clock_.owner();
  node->name_changes.push_back(sync);
  settle_names(*node, clock_.settled());
  return powered_ ? Status() : no_power();
}

Status SimDisk::make_directories(const std::string& path) {
  NodePtr node = root_;
  for (const std::string& part : split(path)) {
    if (auto it = node->entries.find(part); it != node->entries.end()) {
      node = it->second;
      if (!node->directory) {
        return Error{ErrorCode::already_exists, path + ": " + part + " is a file"};
      }
      continue;
    }
    SYNOD_TRY(begin_change(path));
    auto made = std::make_shared<Node>();
    made->directory = true;
    change_name(*node, part, made, group_next_++);
    NameChange sync;
    sync.kind = NameChange::Kind::sync;
    sync.start = clock_.now();
    spend_flush();
    sync.end = clock_.now();
    sync.owner = clock_.owner();
    if (!powered_) {
      return no_power();
    }
    node->name_changes.push_back(sync);
    node = made;
  }
  return powered_ ? Status() : no_power();
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
  if (!powered_) {
    return no_power();
  }
  NodePtr node = find(path);
  if (node == nullptr || !node->directory) {
    return missing(path);
  }
  spend_call();
  std::vector<std::string> names;
  for (const auto& [name, child] : node->entries) {
    names.push_back(name);
  }
  return names;
}

Result<bool> SimDisk::exists(const std::string& path) {
  if (!powered_) {
    return no_power();
  }
  spend_call();
  return find(path) != nullptr;
}

Status SimDisk::remove_tree(const std::string& path) {
  if (find(path) == nullptr) {
    return powered_ ? Status() : no_power();
  }
  SYNOD_TRY_ASSIGN(Place place, find_parent(path));
  SYNOD_TRY(begin_change(path));
  change_name(*place.directory, place.name, nullptr, group_next_++);
  return powered_ ? Status() : no_power();
}

Result<ports::Space> SimDisk::space(const std::string&) {
  if (!powered_) {
    return no_power();
  }
  ports::Space space;
  space.total_bytes = options_.capacity_bytes;
  space.available_bytes = options_.capacity_bytes - std::min(used_, options_.capacity_bytes);
  return space;
}

Result<std::unique_ptr<ports::DirectoryLock>> SimDisk::lock(const std::string& path) {
  NodePtr node = find(path);
  if (!powered_) {
    return no_power();
  }
  if (node == nullptr || !node->directory) {
    return missing(path);
  }
  if (node->lock != 0) {
    return Error{ErrorCode::busy, path + ": locked by another process"};
  }
  node->lock = group_next_++;
  node->lock_owner = clock_.owner();
  return std::unique_ptr<ports::DirectoryLock>(
      std::make_unique<SimDirectoryLock>(node, node->lock));
}

}  // namespace synod::sim
