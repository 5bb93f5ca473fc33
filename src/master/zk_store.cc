#include "master/zk_store.h"

namespace synod::master {

namespace {

using zkclient::CreateMode;
using zkwire::Code;

// Whether a write that failed with these was made is unknown, so all of them are `closed`.
Error error_of(const zkclient::Failure& failure, const std::string& what) {
  ErrorCode code = ErrorCode::internal;
  switch (failure.code) {
    case Code::no_node: code = ErrorCode::not_found; break;
    case Code::node_exists:
    case Code::bad_version: code = ErrorCode::busy; break;
    case Code::connection_loss:
    case Code::operation_timeout:
    case Code::session_expired: code = ErrorCode::closed; break;
    default: break;
  }
  if (failure.certainty == zkclient::Certainty::unknown) {
    code = ErrorCode::closed;
  }
  return {code, what + ": " + zkclient::to_string(failure)};
}

zkwire::MultiPart part_of(StoreChange change) {
  switch (change.kind) {
    case StoreChange::Kind::check: return zkclient::check_part(change.path, change.version);
    case StoreChange::Kind::create:
      return zkclient::create_part(change.path, std::move(change.data), CreateMode::persistent);
    case StoreChange::Kind::remove: return zkclient::remove_part(change.path, change.version);
    case StoreChange::Kind::set: break;
  }
  return zkclient::set_data_part(change.path, std::move(change.data), change.version);
}

}  // namespace

ZkStore::ZkStore(zkclient::Client& client, std::string root)
    : client_(client), root_(std::move(root)) {}

void ZkStore::read(const std::string& path, std::function<void(Result<StoredNode>)> done) {
  client_.get_data(path, nullptr,
                   scope_.wrap([path, done](zkclient::Answer<zkclient::Data> answer) {
                     if (answer.ok()) {
                       done(StoredNode{std::move(answer->data), answer->stat.version});
                     } else {
                       done(error_of(answer.error(), "read " + path));
                     }
                   }));
}

void ZkStore::children(const std::string& path,
                       std::function<void(Result<std::vector<std::string>>)> done) {
  client_.get_children(path, nullptr,
                       scope_.wrap([path, done](zkclient::Answer<zkclient::Children> answer) {
                         if (answer.ok()) {
                           done(std::move(answer->names));
                         } else {
                           done(error_of(answer.error(), "list " + path));
                         }
                       }));
}

void ZkStore::write(std::vector<StoreChange> changes, std::function<void(Status)> done) {
  std::vector<zkwire::MultiPart> parts;
  std::vector<std::string> paths;
  for (StoreChange& change : changes) {
    paths.push_back(change.path);
    parts.push_back(part_of(std::move(change)));
  }
  client_.multi(std::move(parts),
                scope_.wrap([paths, done](zkclient::Answer<std::vector<zkwire::MultiResult>> made) {
                  if (made.ok()) {
                    done({});
                    return;
                  }
                  const std::size_t part = std::min(made.error().part, paths.size() - 1);
                  done(error_of(made.error(), "write " + paths[part]));
                }));
}

void ZkStore::sync(std::function<void(Status)> done) {
  client_.sync(root_, scope_.wrap([done](zkclient::Answer<void> answer) {
    done(answer.ok() ? Status{} : Status(error_of(answer.error(), "sync")));
  }));
}

}  // namespace synod::master
