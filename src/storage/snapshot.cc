#include "storage/snapshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "storage/snapshot_file.h"

namespace synod::storage {
namespace {

constexpr const char* manifest_name = "manifest";
// Both are temporary: dropped at open.
constexpr const char* writing_name = "writing.new";
constexpr const char* incoming_name = "incoming.new";
constexpr std::size_t manifest_size_bytes_max = 1 << 20;
// Flushed now and then, so that the last flush is short and no flush of the log waits long.
constexpr std::uint64_t flush_every_bytes = 4 << 20;

}  // namespace

struct SnapshotStore::Impl {
  Impl(ports::Disk& d, std::string dir, const SnapshotOptions& o)
      : disk(d), directory(std::move(dir)), options(o) {}

  ports::Disk& disk;
  const std::string directory;
  const SnapshotOptions options;
  std::vector<SnapshotRef> named;  // newest first

  std::string path(const std::string& name) const { return directory + "/" + name; }
  const SnapshotRef* find(Slot slot) const;
  Status write_manifest();
  // Gives the flushed temporary file its name.
  Status publish(const std::string& temporary, const SnapshotRef& ref);
  Result<SnapshotRef> check(const std::string& name, bool past_cache);
  Result<SnapshotRef> check_ends(const ManifestEntry& entry);
  Status adopt_file(const std::string& name, const std::vector<ManifestEntry>& manifest);
  Status rename_aside(const std::string& name);
  Status remove(const std::vector<Slot>& slots);
};

namespace {

class Writer final : public SnapshotWriter {
 public:
  Writer(SnapshotStore::Impl& store, std::unique_ptr<ports::File> file, const SnapshotId& id)
      : store_(store), file_(std::move(file)), encoder_(id, store.options) {}

  Status begin() { return write(encoder_.header()); }

  Status append(ByteView content) override {
    buffer_.append(content);
    const std::size_t chunk = store_.options.chunk_size_bytes;
    std::size_t taken = 0;
    for (; buffer_.size() - taken >= chunk; taken += chunk) {
      SYNOD_TRY(write(encoder_.chunk(ByteView(buffer_).substr(taken, chunk))));
    }
    buffer_.erase(0, taken);
    return {};
  }

  Result<SnapshotRef> finish() override {
    if (!buffer_.empty()) {
      SYNOD_TRY(write(encoder_.chunk(buffer_)));
    }
    SYNOD_TRY(write(encoder_.end()));
    if (store_.options.planted != PlantedBug::snapshot_not_atomic) {
      SYNOD_TRY(file_->flush());
    }
    SYNOD_TRY(store_.publish(writing_name, encoder_.ref()));
    return encoder_.ref();
  }

 private:
  Status write(ByteView bytes) {
    SYNOD_TRY(file_->write_at(offset_, bytes));
    offset_ += bytes.size();
    if (offset_ - flushed_ >= flush_every_bytes) {
      SYNOD_TRY(file_->flush());
      flushed_ = offset_;
    }
    return {};
  }

  SnapshotStore::Impl& store_;
  std::unique_ptr<ports::File> file_;
  SnapshotEncoder encoder_;
  Bytes buffer_;
  std::uint64_t offset_ = 0;
  std::uint64_t flushed_ = 0;
};

class Receiver final : public SnapshotReceiver {
 public:
  Receiver(SnapshotStore::Impl& store, std::unique_ptr<ports::File> file)
      : store_(store), file_(std::move(file)) {}

  std::uint64_t received_bytes() const override { return offset_; }

  Status append(ByteView bytes) override {
    SYNOD_TRY(file_->write_at(offset_, bytes));
    offset_ += bytes.size();
    if (offset_ - flushed_ >= flush_every_bytes) {
      SYNOD_TRY(file_->flush());
      flushed_ = offset_;
    }
    return {};
  }

  Result<SnapshotRef> finish(const SnapshotId& expected) override {
    SYNOD_TRY(file_->flush());
    SYNOD_TRY_ASSIGN(const SnapshotRef ref, store_.check(incoming_name, true));
    if (!(ref.id == expected)) {
      return Error{ErrorCode::corrupt,
                   fmt::format("received a snapshot of slot {} instead of slot {}",
                               ref.id.slot.value(), expected.slot.value())};
    }
    SYNOD_TRY(store_.publish(incoming_name, ref));
    return ref;
  }

 private:
  SnapshotStore::Impl& store_;
  std::unique_ptr<ports::File> file_;
  std::uint64_t offset_ = 0;
  std::uint64_t flushed_ = 0;
};

class Reader final : public SnapshotReader {
 public:
  Reader(SnapshotRef ref, std::unique_ptr<ports::File> file, const std::string& name,
         bool past_cache)
      : ref_(std::move(ref)), file_(std::move(file)), decoder_(*file_, name, past_cache) {}

  Status begin() {
    SYNOD_TRY_ASSIGN(const SnapshotId id, decoder_.header());
    if (!(id == ref_.id)) {
      return Error{ErrorCode::corrupt, "the snapshot is of another state than its name says"};
    }
    return {};
  }
  const SnapshotRef& ref() const override { return ref_; }
  Result<Bytes> next() override { return decoder_.next(); }

 private:
  SnapshotRef ref_;
  std::unique_ptr<ports::File> file_;
  SnapshotDecoder decoder_;
};

}  // namespace

const SnapshotRef* SnapshotStore::Impl::find(Slot slot) const {
  for (const SnapshotRef& ref : named) {
    if (ref.id.slot == slot) {
      return &ref;
    }
  }
  return nullptr;
}

Status SnapshotStore::Impl::write_manifest() {
  std::vector<ManifestEntry> entries;
  for (const SnapshotRef& ref : named) {
    entries.push_back(
        ManifestEntry{ref.id.slot, ref.file_size_bytes, ref.content_size_bytes, ref.content_hash});
  }
  return ports::write_file_atomically(disk, path(manifest_name), encode_manifest(entries));
}

Status SnapshotStore::Impl::publish(const std::string& temporary, const SnapshotRef& ref) {
  SYNOD_TRY(disk.rename(path(temporary), path(snapshot_name(ref.id.slot))));
  SYNOD_TRY(disk.sync_directory(directory));
  std::erase_if(named, [&ref](const SnapshotRef& r) { return r.id.slot == ref.id.slot; });
  named.push_back(ref);
  std::sort(named.begin(), named.end(),
            [](const SnapshotRef& a, const SnapshotRef& b) { return a.id.slot > b.id.slot; });
  return write_manifest();
}

Result<SnapshotRef> SnapshotStore::Impl::check(const std::string& name, bool past_cache) {
  SYNOD_TRY_ASSIGN(auto file, disk.open(path(name), ports::OpenMode::write));
  if (past_cache) {
    SYNOD_TRY(file->flush());
  }
  SnapshotDecoder decoder(*file, name, past_cache);
  SYNOD_TRY_ASSIGN(const SnapshotId id, decoder.header());
  for (;;) {
    SYNOD_TRY_ASSIGN(const Bytes content, decoder.next());
    if (content.empty()) {
      return decoder.ref();
    }
  }
}

// A named snapshot was checked when it was named; now its size and header must agree. The content
// is checked again when it is read.
Result<SnapshotRef> SnapshotStore::Impl::check_ends(const ManifestEntry& entry) {
  const std::string name = snapshot_name(entry.slot);
  SYNOD_TRY_ASSIGN(auto file, disk.open(path(name), ports::OpenMode::read));
  SYNOD_TRY_ASSIGN(const std::uint64_t size, file->size());
  SnapshotDecoder decoder(*file, name, false);
  SYNOD_TRY_ASSIGN(SnapshotId id, decoder.header());
  if (size != entry.file_size_bytes || id.slot != entry.slot) {
    return Error{ErrorCode::corrupt, name + " is not what the manifest says"};
  }
  return SnapshotRef{std::move(id), size, entry.content_size_bytes, entry.content_hash};
}

Status SnapshotStore::Impl::rename_aside(const std::string& name) {
  SYNOD_TRY(disk.rename(path(name), path(name + ".damaged")));
  return disk.sync_directory(directory);
}

Status SnapshotStore::Impl::adopt_file(const std::string& name,
                                       const std::vector<ManifestEntry>& manifest) {
  const Slot slot = *snapshot_slot(name);
  const auto entry = std::find_if(manifest.begin(), manifest.end(),
                                  [slot](const ManifestEntry& e) { return e.slot == slot; });
  Result<SnapshotRef> ref = Error{ErrorCode::not_found, name};
  if (entry != manifest.end()) {
    ref = check_ends(*entry);
  }
  if (!ref.ok()) {
    // Not in the manifest, or another file than the manifest knows: it took the name and the power
    // went before the manifest was written.
    ref = check(name, true);
  }
  if (ref.ok() && ref->id.slot == slot) {
    named.push_back(std::move(ref).value());
    return {};
  }
  if (!ref.ok() && ref.error().code != ErrorCode::corrupt) {
    return ref.error();
  }
  return rename_aside(name);
}

Result<std::unique_ptr<SnapshotStore>> SnapshotStore::open(ports::Disk& disk,
                                                           const std::string& directory,
                                                           const SnapshotOptions& options) {
  SYNOD_CHECK(options.chunk_size_bytes > 0 &&
              options.chunk_size_bytes <= snapshot_chunk_size_bytes_max && options.keep > 0);
  SYNOD_TRY(disk.make_directories(directory));
  auto impl = std::make_unique<Impl>(disk, directory, options);
  SYNOD_TRY_ASSIGN(const auto names, disk.list(directory));
  SYNOD_TRY(disk.sync_directory(directory));
  std::vector<ManifestEntry> manifest;  // without one every file is checked from end to end
  auto bytes = ports::read_file(disk, impl->path(manifest_name), manifest_size_bytes_max);
  if (bytes.ok()) {
    manifest = decode_manifest(*bytes).value_or({});
  } else if (bytes.error().code != ErrorCode::not_found &&
             bytes.error().code != ErrorCode::too_large) {
    return bytes.error();
  }
  for (const std::string& name : names) {
    if (name.ends_with(".new")) {
      SYNOD_TRY(disk.remove(impl->path(name)));
    } else if (snapshot_slot(name).has_value()) {
      SYNOD_TRY(impl->adopt_file(name, manifest));
    }
  }
  std::reverse(impl->named.begin(), impl->named.end());  // names were sorted by slot
  return std::unique_ptr<SnapshotStore>(new SnapshotStore(std::move(impl)));
}

SnapshotStore::SnapshotStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SnapshotStore::~SnapshotStore() = default;

std::vector<SnapshotRef> SnapshotStore::all() const { return impl_->named; }

std::optional<SnapshotRef> SnapshotStore::latest() const {
  return impl_->named.empty() ? std::optional<SnapshotRef>{} : impl_->named.front();
}

Result<std::unique_ptr<SnapshotWriter>> SnapshotStore::begin(const SnapshotId& id) {
  SYNOD_TRY_ASSIGN(auto file, impl_->disk.open(impl_->path(writing_name), ports::OpenMode::create));
  SYNOD_TRY(file->truncate(0));
  auto writer = std::make_unique<Writer>(*impl_, std::move(file), id);
  SYNOD_TRY(writer->begin());
  return std::unique_ptr<SnapshotWriter>(std::move(writer));
}

Result<std::unique_ptr<SnapshotReceiver>> SnapshotStore::receive() {
  SYNOD_TRY_ASSIGN(auto file,
                   impl_->disk.open(impl_->path(incoming_name), ports::OpenMode::create));
  SYNOD_TRY(file->truncate(0));
  return std::unique_ptr<SnapshotReceiver>(std::make_unique<Receiver>(*impl_, std::move(file)));
}

Result<std::unique_ptr<SnapshotReader>> SnapshotStore::read(Slot slot, bool past_cache) {
  const SnapshotRef* ref = impl_->find(slot);
  if (ref == nullptr) {
    return Error{ErrorCode::not_found, fmt::format("no snapshot of slot {}", slot.value())};
  }
  const std::string name = snapshot_name(slot);
  SYNOD_TRY_ASSIGN(auto file, impl_->disk.open(impl_->path(name), ports::OpenMode::read));
  auto reader = std::make_unique<Reader>(*ref, std::move(file), name, past_cache);
  SYNOD_TRY(reader->begin());
  return std::unique_ptr<SnapshotReader>(std::move(reader));
}

Result<Bytes> SnapshotStore::read_file_at(Slot slot, std::uint64_t offset, std::size_t size) {
  if (impl_->find(slot) == nullptr) {
    return Error{ErrorCode::not_found, fmt::format("no snapshot of slot {}", slot.value())};
  }
  SYNOD_TRY_ASSIGN(auto file,
                   impl_->disk.open(impl_->path(snapshot_name(slot)), ports::OpenMode::read));
  return file->read_at(offset, size);
}

Status SnapshotStore::verify(Slot slot) {
  const SnapshotRef* ref = impl_->find(slot);
  if (ref == nullptr) {
    return Error{ErrorCode::not_found, fmt::format("no snapshot of slot {}", slot.value())};
  }
  SYNOD_TRY_ASSIGN(const SnapshotRef found, impl_->check(snapshot_name(slot), true));
  if (!(found.id == ref->id) || found.content_hash != ref->content_hash) {
    return Error{ErrorCode::corrupt, snapshot_name(slot) + " is not what the manifest says"};
  }
  return {};
}

Status SnapshotStore::set_aside(Slot slot) {
  if (impl_->find(slot) == nullptr) {
    return {};
  }
  std::erase_if(impl_->named, [slot](const SnapshotRef& r) { return r.id.slot == slot; });
  SYNOD_TRY(impl_->write_manifest());
  return impl_->rename_aside(snapshot_name(slot));
}

Status SnapshotStore::Impl::remove(const std::vector<Slot>& slots) {
  std::erase_if(named, [&slots](const SnapshotRef& ref) {
    return std::find(slots.begin(), slots.end(), ref.id.slot) != slots.end();
  });
  SYNOD_TRY(write_manifest());
  for (const Slot slot : slots) {
    SYNOD_TRY(disk.remove(path(snapshot_name(slot))));
  }
  return disk.sync_directory(directory);
}

Result<std::optional<Slot>> SnapshotStore::remove_old(Slot through) {
  std::vector<Slot> old;
  std::optional<Slot> oldest;
  std::size_t kept = 0;
  for (const SnapshotRef& ref : impl_->named) {
    if (ref.id.slot > through) {
      continue;
    }
    if (kept < impl_->options.keep) {
      ++kept;
      oldest = ref.id.slot;
    } else {
      old.push_back(ref.id.slot);
    }
  }
  if (!old.empty()) {
    SYNOD_TRY(impl_->remove(old));
  }
  return oldest;
}

Status SnapshotStore::remove(Slot slot) {
  return impl_->find(slot) == nullptr ? Status{} : impl_->remove({slot});
}

}  // namespace synod::storage
