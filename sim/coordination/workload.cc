#include "sim/coordination/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace synod::sim::coordination {
namespace {

using zkwire::Code;
using zkwire::OpCode;

zkwire::CreateRequest make_create(std::string path, Bytes data, std::int32_t flags) {
  zkwire::CreateRequest request;
  request.path = std::move(path);
  request.data = std::move(data);
  request.acl = zkwire::open_acl();
  request.flags = flags;
  return request;
}

}  // namespace

Workload::Workload(SimProcess& process, History& history, WorkloadOptions options)
    : options_(std::move(options)),
      prng_(process.main_lane().entropy().next()),
      lane_(process.main_lane()),
      versions_(shared_keys, 0),
      client_(process, history, *this, options_.client) {}

void Workload::on_ready() {
  ephemerals_.clear();
  think();
}

void Workload::on_reply(const Operation& operation) {
  if (const auto* data = std::get_if<zkwire::DataReply>(&operation.reply)) {
    const std::string& path = path_of(operation.request);
    if (operation.succeeded() && path.starts_with("/s/")) {
      versions_[static_cast<std::size_t>(path.back() - '0')] = data->stat.version;
    }
  }
  if (client_.unanswered() == 0) {
    think();
  }
}

void Workload::think() {
  if (thinking_) {
    return;
  }
  thinking_ = true;
  const auto span = Duration::nanos(prng_.between(0, options_.think_max.nanos()));
  lane_.after(span, scope_.wrap([this] {
    thinking_ = false;
    if (client_.ready()) {
      burst();
    }
  }));
}

void Workload::burst() {
  const auto count = prng_.between(1, options_.burst_max);
  closing_ = false;
  for (std::int64_t i = 0; i < count && sent_ < options_.operations && client_.ready() && !closing_;
       ++i) {
    ++sent_;
    send_one();
  }
}

void Workload::send_one() {
  const std::uint64_t draw = prng_.below(100);
  if (draw < 25) {
    send_set();
  } else if (draw < 38) {
    send_create();
  } else if (draw < 46) {
    send_register();
  } else if (draw < 62) {
    send_multi();
  } else if (draw < 92) {
    send_read();
  } else if (draw < 98) {
    send_ephemeral();
  } else if (draw == 98) {
    client_.drop_connection();
  } else if (client_.unanswered() == 0) {
    closing_ = true;  // nothing may follow it
    ephemerals_.clear();
    client_.submit(OpCode::close_session, zkwire::EmptyRequest{});
  }
}

std::string Workload::new_tag() { return fmt::format("c{}-{}", options_.client.number, ++tags_); }

// For data only: some runs write much.
std::string Workload::new_long_tag() {
  return new_tag() + std::string(static_cast<std::size_t>(prng_.below(options_.data_max + 1)), '.');
}

void Workload::send_set() {
  const std::string tag = new_long_tag();
  const std::string path = fmt::format("/p/{}/{}", options_.client.number,
                                       prng_.below(static_cast<std::uint64_t>(keys_of_client)));
  client_.submit(OpCode::set_data, zkwire::SetDataRequest{path, tag, -1}, tag);
}

// Values that race, and reads that must not be stale.
void Workload::send_register() {
  const std::string path = fmt::format("/w/{}", prng_.below(raced_registers));
  if (prng_.chance(1, 2)) {
    const std::string tag = new_long_tag();
    client_.submit(OpCode::set_data, zkwire::SetDataRequest{path, tag, -1}, tag);
  } else {
    client_.submit(OpCode::sync, zkwire::PathRequest{path});
    client_.submit(OpCode::get_data, zkwire::PathWatchRequest{path, false});
  }
}

void Workload::send_create() {
  const std::string tag = new_tag();
  const OpCode op = prng_.chance(1, 2) ? OpCode::create : OpCode::create2;
  if (prng_.chance(1, 2)) {
    client_.submit(op, make_create("/q/n-", tag, zkwire::create_flag::persistent_sequential), tag);
  } else if (prng_.chance(1, 8)) {
    client_.submit(op, make_create("/c/missing/" + tag, tag, 0), tag);
  } else {
    client_.submit(op, make_create("/c/" + tag, tag, 0), tag);
  }
}

zkwire::MultiPart Workload::draw_part() {
  const auto key = static_cast<std::size_t>(prng_.below(shared_keys));
  const std::string shared = fmt::format("/s/{}", key);
  const std::string raced = fmt::format("/r/{}", prng_.below(raced_nodes));
  const std::int32_t version = prng_.chance(1, 3) ? versions_[key] : -1;
  switch (prng_.below(5)) {
    case 0: return {OpCode::create, make_create(raced, "raced", 0)};
    case 1: return {OpCode::remove, zkwire::PathVersionRequest{raced, -1}};
    case 2: return {OpCode::check, zkwire::PathVersionRequest{shared, version}};
    default:
      return {OpCode::set_data,
              zkwire::SetDataRequest{shared, fmt::format("shared-{}", prng_.below(1000)), version}};
  }
}

void Workload::send_multi() {
  const std::string tag = new_tag();
  zkwire::MultiRequest request;
  const std::uint64_t parts = prng_.below(4);
  for (std::uint64_t i = 0; i < parts; ++i) {
    request.parts.push_back(draw_part());
  }
  zkwire::MultiPart mark{OpCode::create, make_create("/t/" + tag, tag, 0)};
  const auto at = static_cast<std::ptrdiff_t>(prng_.below(parts + 1));
  request.parts.insert(request.parts.begin() + at, std::move(mark));
  client_.submit(OpCode::multi, std::move(request), tag);
}

void Workload::send_read() {
  const bool watch = prng_.chance(1, 3);
  std::string path;
  switch (prng_.below(8)) {
    case 0: path = "/q"; break;
    case 1: path = "/e"; break;
    case 2:
      path = fmt::format("/p/{}/{}", prng_.below(static_cast<std::uint64_t>(options_.clients)),
                         prng_.below(keys_of_client));
      break;
    case 3: path = "/r"; break;
    case 4: path = fmt::format("/r/{}", prng_.below(raced_nodes)); break;
    case 5: path = ephemerals_.empty() ? "/t" : ephemerals_.back(); break;
    default: path = fmt::format("/s/{}", prng_.below(shared_keys)); break;
  }
  if (prng_.chance(1, 4)) {
    client_.submit(OpCode::sync, zkwire::PathRequest{path});
  }
  static constexpr OpCode reads[] = {OpCode::get_data, OpCode::exists, OpCode::get_children,
                                     OpCode::get_children2};
  const bool parent = path.find('/', 1) == std::string::npos;
  const std::uint64_t which = parent ? 2 + prng_.below(2) : prng_.below(2);
  client_.submit(reads[which], zkwire::PathWatchRequest{path, watch});
}

void Workload::send_ephemeral() {
  if (!ephemerals_.empty() && prng_.chance(1, 3)) {
    client_.submit(OpCode::remove, zkwire::PathVersionRequest{ephemerals_.back(), -1});
    ephemerals_.pop_back();
    return;
  }
  const std::string tag = new_tag();
  ephemerals_.push_back("/e/" + tag);
  client_.submit(OpCode::create, make_create("/e/" + tag, tag, zkwire::create_flag::ephemeral),
                 tag);
}

Groundwork::Groundwork(SimProcess& process, History& history, const ClientOptions& options,
                       int clients)
    : client_(process, history, *this, options) {
  paths_ = {"/p", "/c", "/q", "/s", "/r", "/e", "/t", "/w"};
  for (std::uint64_t key = 0; key < raced_registers; ++key) {
    paths_.push_back(fmt::format("/w/{}", key));
  }
  for (int client = 0; client < clients; ++client) {
    paths_.push_back(fmt::format("/p/{}", client));
    for (int key = 0; key < keys_of_client; ++key) {
      paths_.push_back(fmt::format("/p/{}/{}", client, key));
    }
  }
  for (int key = 0; key < shared_keys; ++key) {
    paths_.push_back(fmt::format("/s/{}", key));
  }
}

void Groundwork::send() {
  if (!done()) {
    client_.submit(OpCode::create, make_create(paths_[next_], paths_[next_], 0), paths_[next_]);
  }
}

void Groundwork::on_reply(const Operation& operation) {
  if (operation.succeeded() || static_cast<Code>(operation.header.err) == Code::node_exists) {
    ++next_;
  }
  send();
}

Audit::Audit(SimProcess& process, History& history, const ClientOptions& options)
    : client_(process, history, *this, options) {}

void Audit::on_ready() {
  paths_ = {"/"};
  next_ = answered_ = 0;
  seen_.clear();
  client_.submit(OpCode::sync, zkwire::PathRequest{"/"});
  send();
}

void Audit::send() {
  // Two requests for each node, and no more at once than a server likes.
  while (next_ < paths_.size() && client_.unanswered() < 64) {
    const std::string path = paths_[next_++];
    client_.submit(OpCode::get_data, zkwire::PathWatchRequest{path, false});
    client_.submit(OpCode::get_children2, zkwire::PathWatchRequest{path, false});
  }
}

void Audit::on_reply(const Operation& operation) {
  const std::string path = path_of(operation.request);
  if (const auto* data = std::get_if<zkwire::DataReply>(&operation.reply)) {
    const zkwire::Stat& s = data->stat;
    seen_.push_back(fmt::format("{} {} {:#x} {:#x} {:#x} {} {} {} {} {} {:#x}", path,
                                data->data.value_or("null"), s.czxid, s.mzxid, s.pzxid, s.ctime,
                                s.mtime, s.version, s.cversion, s.aversion, s.ephemeral_owner));
  } else if (const auto* both = std::get_if<zkwire::ChildrenStatReply>(&operation.reply)) {
    ++answered_;
    if (path != "/zookeeper") {
      for (const std::string& name : both->children) {
        paths_.push_back((path == "/" ? "" : path) + "/" + name);
      }
    }
  } else if (operation.op == OpCode::get_children2) {
    ++answered_;
  }
  send();
  if (answered_ == paths_.size() && !done_) {
    done_ = true;
    std::sort(seen_.begin(), seen_.end());
    client_.stop();
  }
}

}  // namespace synod::sim::coordination
