#include "master/registry.h"

#include "election/names.h"

namespace synod::master {

namespace {
constexpr std::size_t write_size_bytes_max = 512 << 10;
constexpr Duration retry_delay = Duration::millis(100);
}  // namespace

Registry::Registry(ports::Lane& lane, Store& store, RegistryOptions options, Handlers handlers)
    : lane_(lane), store_(store), options_(std::move(options)), handlers_(std::move(handlers)) {}

Registry::~Registry() { lane_.cancel(deadline_); }

void Registry::fail(const std::string& why) {
  if (!failed_) {
    failed_ = true;
    handlers_.fatal(why);
  }
}

void Registry::retry_later(std::function<void()> what) {
  lane_.after(retry_delay, scope_.wrap(std::move(what)));
}

void Registry::read_early() {
  early_ = true;
  read_all();
}

void Registry::take_over(const core::Leadership& leadership, const std::string& candidate,
                         WallTime now) {
  candidate_ = candidate;
  reign_ = {options_.master_id, options_.address, leadership.epoch, now, options_.session_timeout};
  deadline_ =
      lane_.after(options_.store_timeout,
                  scope_.wrap([this] { fail("the registry could not be taken over in time"); }));
  make_parents(0);
}

void Registry::make_parents(std::size_t next) {
  const std::vector<std::string> parents{options_.path, at(agents_path), at(frameworks_path)};
  if (next == parents.size()) {
    confirm_epoch();
    return;
  }
  store_.write({{StoreChange::Kind::create, parents[next], "", StoreChange::any_version}},
               scope_.wrap([this, next](Status made) {
                 // busy: it is there already.
                 if (made.ok() || made.error().code == ErrorCode::busy) {
                   make_parents(next + 1);
                 } else {
                   retry_later([this, next] { make_parents(next); });
                 }
               }));
}

// That the node names our candidate proves its version to be ours: whoever leads next raises it.
void Registry::confirm_epoch() {
  store_.read(at(epoch_path), scope_.wrap([this](Result<StoredNode> node) {
    if (!node.ok() && node.error().code != ErrorCode::not_found) {
      retry_later([this] { confirm_epoch(); });
      return;
    }
    const auto found = node.ok() ? election::decode_epoch_record(node->data)
                                 : Result<election::EpochRecord>(node.error());
    if (!found.ok() || found->candidate_path != candidate_) {
      fail("another master has been elected");
      return;
    }
    epoch_version_ = node->version;
    confirmed_ = true;
    if (was_read_) {
      after_reading();
    } else if (!reading_) {
      read_all();
    }
  }));
}

void Registry::read_all() {
  reading_ = true;
  for (const char* parent : {agents_path, frameworks_path}) {
    ++reads_open_;
    read_children(parent);
  }
  for (const char* path : {weights_path, events_path, reign_path, last_change_path}) {
    ++reads_open_;
    read_one(path);
  }
}

void Registry::read_children(const std::string& parent) {
  store_.children(at(parent), scope_.wrap([this, parent](Result<std::vector<std::string>> names) {
    if (early_ && !names.ok() && names.error().code == ErrorCode::not_found) {
      names = std::vector<std::string>();
    }
    if (!names.ok()) {
      retry_later([this, parent] { read_children(parent); });
      return;
    }
    for (const std::string& name : *names) {
      ++reads_open_;
      read_one(parent + '/' + name);
    }
    read_finished();
  }));
}

void Registry::read_one(const std::string& path) {
  store_.read(at(path), scope_.wrap([this, path](Result<StoredNode> node) {
    if (node.ok()) {
      last_change_exists_ = last_change_exists_ || path == last_change_path;
      auto loaded = records_.load(path, node->data);
      if (!loaded.ok()) {
        fail("the registry's node " + path + " cannot be read: " + loaded.error().message);
        return;
      }
    } else if (node.error().code != ErrorCode::not_found) {
      // A session that lives gets another try; one that ended ends this master.
      retry_later([this, path] { read_one(path); });
      return;
    }
    read_finished();
  }));
}

void Registry::read_finished() {
  if (--reads_open_ > 0) {
    return;
  }
  was_read_ = true;
  if (confirmed_) {
    after_reading();
  }
}

void Registry::after_reading() {
  lane_.cancel(deadline_);
  taken_ = true;
  waiting_.push_front({reign_});
  handlers_.taken(records_.reign());
  write_next();
}

void Registry::change(core::ToRegistry change) {
  waiting_.push_back({std::move(change)});
  write_next();
}

void Registry::note(Happening happening) {
  waiting_.push_back({std::move(happening)});
  write_next();
}

void Registry::write_next() {
  if (writing_ || !taken_ || failed_ || waiting_.empty()) {
    return;
  }
  writing_ = true;
  write_paths_.clear();
  write_keys_.clear();
  std::map<std::string, std::size_t> sizes;
  std::size_t size = 0;
  while (!waiting_.empty() && size < write_size_bytes_max) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    std::set<std::string> dirty;
    if (const auto* change = std::get_if<core::ToRegistry>(&next.change)) {
      write_keys_.push_back(change->operation);
    }
    std::visit([this, &dirty](const auto& change) { records_.apply(change, dirty); }, next.change);
    for (const std::string& path : dirty) {
      std::size_t& known = sizes[path];
      size -= known;
      known = records_.size_of(path);
      size += known;
      write_paths_.insert(path);
    }
  }
  using Kind = StoreChange::Kind;
  write_.clear();
  if (options_.planted != PlantedBug::skip_master_epoch_check) {
    if (options_.planted != PlantedBug::read_registry_before_epoch) {
      write_.push_back({Kind::check, candidate_, "", StoreChange::any_version});
    }
    write_.push_back({Kind::check, at(epoch_path), "", epoch_version_});
  }
  write_.push_back({last_change_exists_ ? Kind::set : Kind::create, at(last_change_path),
                    encode(ChangeRecord{options_.master_id, ++writes_made_}),
                    StoreChange::any_version});
  for (const std::string& path : write_paths_) {
    auto bytes = records_.node(path);
    const bool exists = records_.exists(path);
    if (bytes) {
      write_.push_back({exists ? Kind::set : Kind::create, at(path), *std::move(bytes),
                        StoreChange::any_version});
    } else if (exists) {
      write_.push_back({Kind::remove, at(path), "", StoreChange::any_version});
    }
  }
  deadline_ = lane_.after(options_.store_timeout,
                          scope_.wrap([this] { fail("the registry did not answer in time"); }));
  send();
}

void Registry::send() {
  store_.write(write_, scope_.wrap([this](Status made) {
    if (made.ok()) {
      finished();
    } else if (made.error().code == ErrorCode::closed) {
      settle();
    } else if (made.error().code == ErrorCode::busy || made.error().code == ErrorCode::not_found) {
      fail("another master has been elected: " + made.error().message);
    } else {
      fail("the registry refused a write: " + made.error().message);
    }
  }));
}

void Registry::settle() {
  store_.sync(scope_.wrap([this](Status synced) {
    if (!synced.ok()) {
      retry_later([this] { settle(); });
      return;
    }
    store_.read(at(last_change_path), scope_.wrap([this](Result<StoredNode> node) {
      if (!node.ok() && node.error().code != ErrorCode::not_found) {
        retry_later([this] { settle(); });
        return;
      }
      if (node.ok()) {
        const auto found = read_change(node->data);
        if (found.ok() && *found == ChangeRecord{options_.master_id, writes_made_}) {
          finished();
          return;
        }
      }
      send();
    }));
  }));
}

void Registry::finished() {
  lane_.cancel(deadline_);
  writing_ = false;
  last_change_exists_ = true;
  records_.written(write_paths_);
  const std::vector<core::OperationKey> keys = std::move(write_keys_);
  write_keys_.clear();
  for (const core::OperationKey key : keys) {
    handlers_.done(key);
  }
  write_next();
}

}  // namespace synod::master
