// The part of SimDisk that writes files, and the part that loses them.
#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "sim/disk.h"
#include "sim/disk_node.h"

namespace synod::sim {

Status SimDisk::write(Node& node, std::uint64_t offset, ByteView bytes) {
  const std::uint64_t end = offset + bytes.size();
  const std::uint64_t growth = end > node.seen.size() ? end - node.seen.size() : 0;
  if (powered_ && growth != 0 && used_ + growth > options_.capacity_bytes) {
    return Error{ErrorCode::full, "no space left on device"};
  }
  FileChange change;
  change.start = clock_.now();
  SYNOD_TRY(begin_change("write"));
  change.owner = clock_.owner();
  change.offset = offset;
  change.lands_at = offset;
  change.data = Bytes(bytes);
  if (strikes(faults_.misdirects_once_in) && node.seen.size() > Image::page_size) {
    change.lands_at = prng_.below(node.seen.size() / Image::page_size) * Image::page_size;
  }
  change.dropped = strikes(faults_.drops_write_once_in);
  node.seen.write(offset, bytes);
  used_ += growth;
  node.changes.push_back(std::move(change));
  return powered_ ? Status() : Error{ErrorCode::io, "the power is gone"};
}

Status SimDisk::flush(Node& node) {
  if (begin_operation() != Outcome::done) {
    return Error{ErrorCode::io, "the power is gone"};
  }
  FileChange flushed;
  flushed.kind = FileChange::Kind::flush;
  flushed.start = clock_.now();
  spend_flush();
  flushed.end = clock_.now();
  flushed.owner = clock_.owner();
  const bool failed = strikes(faults_.flush_fails_once_in);
  if (failed) {
    lose_subset(node);
  }
  node.changes.push_back(std::move(flushed));
  settle_file(node, clock_.settled());
  if (failed) {
    return Error{ErrorCode::io, "flush failed"};
  }
  return powered_ ? Status() : Error{ErrorCode::io, "the power is gone"};
}

// A flush that fails: of what no flush before covers, the medium gets a subset, and the pages count
// as clean from then on, so that no later flush writes the rest.
void SimDisk::lose_subset(Node& node) {
  std::size_t covered = node.changes.size();
  while (covered > 0 && node.changes[covered - 1].kind != FileChange::Kind::flush) {
    --covered;
  }
  const std::vector<FileChange> unflushed(
      node.changes.begin() + static_cast<std::ptrdiff_t>(covered), node.changes.end());
  node.changes.resize(covered);
  const std::uint64_t kept_of_four = prng_.below(5);
  for (const FileChange& change : unflushed) {
    std::size_t done = 0;
    do {
      FileChange part = change;
      const std::uint64_t at = change.lands_at + done;
      const std::size_t size = std::min(change.data.size() - done,
                                        sector_size_ - static_cast<std::size_t>(at % sector_size_));
      part.offset = change.offset + done;
      part.lands_at = at;
      part.data = change.data.substr(done, size);
      part.dropped = change.dropped || !prng_.chance(kept_of_four, 4);
      node.changes.push_back(std::move(part));
      done += size;
    } while (done < change.data.size());
  }
}

Status SimDisk::truncate(Node& node, std::uint64_t size) {
  const std::uint64_t old = node.seen.size();
  if (powered_ && size > old && used_ + (size - old) > options_.capacity_bytes) {
    return Error{ErrorCode::full, "no space left on device"};
  }
  FileChange change;
  change.kind = FileChange::Kind::size;
  change.start = clock_.now();
  SYNOD_TRY(begin_change("truncate"));
  change.owner = clock_.owner();
  change.size = size;
  node.seen.resize(size);
  used_ = used_ - std::min(used_, old) + size;
  node.changes.push_back(std::move(change));
  return powered_ ? Status() : Error{ErrorCode::io, "the power is gone"};
}

// Moves what a flush that ended by `at` covers to the medium.
void SimDisk::settle_file(Node& node, Instant at) {
  std::size_t count = node.changes.size();
  while (count > 0 && (node.changes[count - 1].kind != FileChange::Kind::flush ||
                       node.changes[count - 1].end > at)) {
    --count;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const FileChange& change = node.changes[i];
    if (change.kind == FileChange::Kind::size) {
      node.base.resize(change.size);
      if (!change.dropped) {
        node.medium.resize(change.size);
      }
    } else if (change.kind == FileChange::Kind::write) {
      node.base.write(change.offset, change.data);
      if (!change.dropped) {
        node.medium.write(change.lands_at, change.data);
      } else if (change.offset + change.data.size() > node.medium.size()) {
        node.medium.resize(change.offset + change.data.size());
      }
    }
  }
  node.changes.erase(node.changes.begin(),
                     node.changes.begin() + static_cast<std::ptrdiff_t>(count));
}

void SimDisk::settle_names(Node& node, Instant at) {
  std::size_t count = node.name_changes.size();
  while (count > 0 && (node.name_changes[count - 1].kind != NameChange::Kind::sync ||
                       node.name_changes[count - 1].end > at)) {
    --count;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const NameChange& change = node.name_changes[i];
    if (change.kind == NameChange::Kind::name) {
      node.medium_entries.erase(change.name);
      if (change.node != nullptr) {
        node.medium_entries[change.name] = change.node;
      }
    }
  }
  node.name_changes.erase(node.name_changes.begin(),
                          node.name_changes.begin() + static_cast<std::ptrdiff_t>(count));
}

// Lets a subset of the changes reach the medium: each torn unit and each size on its own.
void SimDisk::keep_subset(Node& node, const std::vector<FileChange>& changes) {
  // From all lost to all kept, so that both ends and everything between are met.
  const std::uint64_t kept_of_four = prng_.below(5);
  std::uint64_t size = node.medium.size();
  for (const FileChange& change : changes) {
    if (change.kind == FileChange::Kind::size) {
      if (!change.dropped && prng_.chance(kept_of_four, 4)) {
        node.medium.resize(std::min(node.medium.size(), change.size));
        size = change.size;
      }
      continue;
    }
    if (change.kind == FileChange::Kind::flush || change.dropped) {
      continue;
    }
    std::size_t done = 0;
    while (done < change.data.size()) {
      const std::uint64_t at = change.lands_at + done;
      const std::size_t part = std::min(change.data.size() - done,
                                        sector_size_ - static_cast<std::size_t>(at % sector_size_));
      if (prng_.chance(kept_of_four, 4)) {
        node.medium.write(at, ByteView(change.data).substr(done, part));
      }
      done += part;
    }
    if (prng_.chance(kept_of_four, 4)) {
      size = std::max(size, change.offset + change.data.size());
    }
  }
  node.medium.resize(size);
}

void SimDisk::cut_file(Node& node, Instant at) {
  settle_file(node, at);
  std::erase_if(node.changes, [at](const FileChange& change) { return change.start > at; });
  keep_subset(node, node.changes);
  node.changes.clear();
  node.base = node.medium;
  node.seen = node.medium;
}

void SimDisk::cut_names(Node& node, Instant at) {
  settle_names(node, at);
  const std::uint64_t kept_of_four = prng_.below(5);
  std::map<std::uint64_t, bool> kept;
  for (const NameChange& change : node.name_changes) {
    if (change.kind == NameChange::Kind::sync || change.start > at) {
      continue;
    }
    const auto [it, fresh] = kept.try_emplace(change.group, false);
    if (fresh) {
      it->second = prng_.chance(kept_of_four, 4);
    }
    if (it->second) {
      node.medium_entries.erase(change.name);
      if (change.node != nullptr) {
        node.medium_entries[change.name] = change.node;
      }
    }
  }
  node.name_changes.clear();
  node.entries = node.medium_entries;
}

void SimDisk::cut_tree(Node& node, Instant at) {
  node.lock = 0;
  if (!node.directory) {
    cut_file(node, at);
    return;
  }
  cut_names(node, at);
  for (auto& [name, child] : node.entries) {
    cut_tree(*child, at);
  }
}

void SimDisk::power_cut(Instant at) {
  if (!powered_) {
    at = std::min(at, lost_at_);
  }
  sector_size_ = prng_.chance(1, 2) ? 512 : 4096;
  ++boot_;
  cut_tree(*root_, at);
  used_ = count_used(*root_);
  powered_ = true;
  lose_power_at_ = 0;
  power_lost_ = {};
}

void SimDisk::undo_after(Node& node, std::uint64_t owner, Instant at) {
  const auto late = [owner, at](const auto& change) {
    return change.owner == owner && change.start > at;
  };
  if (node.lock_owner == owner) {
    node.lock = 0;
  }
  if (std::erase_if(node.changes, late) != 0) {
    node.seen = node.base;
    for (const FileChange& change : node.changes) {
      if (change.kind == FileChange::Kind::size) {
        node.seen.resize(change.size);
      } else if (change.kind == FileChange::Kind::write) {
        node.seen.write(change.offset, change.data);
      }
    }
  }
  if (std::erase_if(node.name_changes, late) != 0) {
    node.entries = node.medium_entries;
    for (const NameChange& change : node.name_changes) {
      if (change.kind == NameChange::Kind::name) {
        node.entries.erase(change.name);
        if (change.node != nullptr) {
          node.entries[change.name] = change.node;
        }
      }
    }
  }
  for (auto& [name, child] : node.entries) {
    undo_after(*child, owner, at);
  }
}

void SimDisk::end_process(std::uint64_t owner, Instant at) {
  undo_after(*root_, owner, at);
  used_ = count_used(*root_);
}

std::uint64_t SimDisk::count_used(const Node& node) const {
  std::uint64_t used = node.seen.size();
  for (const auto& [name, child] : node.entries) {
    used += count_used(*child);
  }
  return used;
}

void SimDisk::collect_files(const Node& node, const std::string& path,
                            std::vector<std::string>& paths) const {
  for (const auto& [name, child] : node.entries) {
    if (child->directory) {
      collect_files(*child, path + "/" + name, paths);
    } else {
      paths.push_back(path + "/" + name);
    }
  }
}

bool SimDisk::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  NodePtr node = find(path);
  if (node == nullptr || node->directory || offset >= node->seen.size()) {
    return false;
  }
  for (Image* image : {&node->seen, &node->base, &node->medium}) {
    Bytes byte = image->read(offset, 1);
    if (!byte.empty()) {
      byte[0] = static_cast<char>(byte[0] ^ (1 << (bit % 8)));
      image->write(offset, byte);
    }
  }
  return true;
}

std::string SimDisk::flip_any_bit(const std::string& prefix) {
  std::vector<std::string> paths;
  collect_files(*root_, "", paths);
  std::erase_if(paths, [&](const std::string& path) {
    return !path.starts_with(prefix) || find(path)->seen.size() == 0;
  });
  if (paths.empty()) {
    return "";
  }
  const std::string& path = paths[prng_.below(paths.size())];
  std::uint64_t offset = prng_.below(find(path)->seen.size());
  // Most of a log is zeros filled ahead: look for something that was written.
  for (int tries = 0; tries < 64 && find(path)->seen.read(offset, 1) == Bytes(1, '\0'); ++tries) {
    offset = prng_.below(find(path)->seen.size());
  }
  flip_bit(path, offset, static_cast<unsigned>(prng_.below(8)));
  return path + " at " + std::to_string(offset);
}

std::vector<std::pair<std::string, Bytes>> SimDisk::peek(const std::string& prefix) const {
  std::vector<std::string> paths;
  collect_files(*root_, "", paths);
  std::vector<std::pair<std::string, Bytes>> files;
  for (const std::string& path : paths) {
    if (path.starts_with(prefix)) {
      const NodePtr node = find(path);
      files.emplace_back(path, node->seen.read(0, static_cast<std::size_t>(node->seen.size())));
    }
  }
  return files;
}

void SimDisk::wipe() {
  ++boot_;
  root_ = std::make_shared<Node>();
  root_->directory = true;
  used_ = 0;
  powered_ = true;
}

std::uint64_t SimDisk::digest() const {
  std::vector<std::string> paths;
  collect_files(*root_, "", paths);
  std::uint64_t digest = 0;
  for (const std::string& path : paths) {
    const NodePtr node = find(path);
    const Bytes bytes = node->seen.read(0, static_cast<std::size_t>(node->seen.size()));
    digest = hash_mix(hash64(path, digest), hash64(bytes));
  }
  return digest;
}

}  // namespace synod::sim
