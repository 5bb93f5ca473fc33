#include "sim/resources/meddler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "http/json.h"
#include "mesos/registry.pb.h"

namespace synod::sim::resources {

namespace {

// A page shows how things were when it was asked of the core, and says so (X-Synod-Age-Ms); until
// the master has confirmed that it leads it waits, on a slow link for long.
constexpr Duration page_age_max = Duration::seconds(2);

}  // namespace

using coordination::Operation;
using zkwire::OpCode;

Meddler::Meddler(SimProcess& process, const coordination::ClientOptions& options)
    : client_(process, history_, *this, options) {}

void Meddler::on_ready() {
  for (const auto& [path, count] : to_remove_) {
    submit_removal(path);
  }
}

void Meddler::on_lost() {
  found_ = {};
  for (auto& [path, count] : to_remove_) {
    count = 0;
  }
}

void Meddler::find_leader(std::function<void(const std::string&, const Bytes&)> found) {
  if (client_.ready()) {
    found_ = std::move(found);
    client_.submit(OpCode::get_children, zkwire::PathWatchRequest{election_path, false});
  }
}

void Meddler::remove(const std::string& path) {
  to_remove_.try_emplace(path, 0);
  if (client_.ready()) {
    submit_removal(path);
  }
}

void Meddler::submit_removal(const std::string& path) {
  ++to_remove_.at(path);
  client_.submit(OpCode::remove, zkwire::PathVersionRequest{path, -1});
}

void Meddler::put(const std::string& path, const Bytes& data) {
  if (client_.ready()) {
    zkwire::CreateRequest request;
    request.path = path;
    request.data = data;
    request.acl = zkwire::open_acl();
    request.flags = zkwire::create_flag::ephemeral;
    client_.submit(OpCode::create, std::move(request));
  }
}

void Meddler::on_reply(const Operation& operation) {
  if (operation.op == OpCode::remove) {
    const auto removal = to_remove_.find(coordination::path_of(operation.request));
    if (--removal->second == 0) {
      to_remove_.erase(removal);
    }
    return;
  }
  if (!operation.succeeded() || !found_) {
    return;
  }
  if (const auto* children = std::get_if<zkwire::ChildrenReply>(&operation.reply)) {
    std::string first;
    for (const std::string& name : children->children) {
      if (name.starts_with("json.info_") && (first.empty() || name < first)) {
        first = name;
      }
    }
    if (!first.empty()) {
      client_.submit(OpCode::get_data,
                     zkwire::PathWatchRequest{std::string(election_path) + "/" + first, false});
    }
  } else if (const auto* data = std::get_if<zkwire::DataReply>(&operation.reply)) {
    auto found = std::move(found_);
    found_ = {};
    found(coordination::path_of(operation.request), data->data.value_or(""));
  }
}

Auditor::Auditor(SimProcess& process, const coordination::ClientOptions& options,
                 std::vector<ports::Address> masters)
    : process_(process),
      masters_(std::move(masters)),
      lane_(process.main_lane()),
      client_(process, history_, *this, options) {}

void Auditor::on_ready() { audit_later(); }

void Auditor::on_lost() {
  phase_ = Phase::idle;
  http_.reset();
}

void Auditor::audit_later() {
  phase_ = Phase::idle;
  ++asked_;
  scope_.reset();
  lane_.after(Duration::millis(150), scope_.wrap([this] { audit(); }));
  // Whatever hangs is given up.
  lane_.after(Duration::seconds(3), scope_.wrap([this] { audit_later(); }));
}

void Auditor::audit() {
  if (client_.ready()) {
    suspects_.clear();
    epoch_.clear();
    address_ = {};
    read_registry(Phase::registry);
  }
}

void Auditor::read_registry(Phase phase) {
  phase_ = phase;
  admitted_.clear();
  state_.clear();
  const std::string path = registry_path;
  client_.submit(OpCode::sync, zkwire::PathRequest{path});
  client_.submit(OpCode::get_data, zkwire::PathWatchRequest{path + "/epoch", false});
  client_.submit(OpCode::get_children, zkwire::PathWatchRequest{path + "/agents", false});
}

void Auditor::on_reply(const Operation& operation) {
  const std::string path = coordination::path_of(operation.request);
  if (operation.op == OpCode::sync || phase_ == Phase::idle || phase_ == Phase::master) {
    return;
  }
  if (!operation.succeeded()) {
    audit_later();
    return;
  }
  const auto* data = std::get_if<zkwire::DataReply>(&operation.reply);
  if (const auto* children = std::get_if<zkwire::ChildrenReply>(&operation.reply)) {
    read_buckets(children->children);
  } else if (data != nullptr && path.ends_with("/epoch")) {
    on_epoch(data->data.value_or(""));
  } else if (data != nullptr && path == candidate_) {
    on_candidate(data->data.value_or(""));
  } else if (data != nullptr && left_ > 0) {
    on_bucket(data->data.value_or(""));
  }
}

// Text lines, one of them "candidate PATH" (docs/formats/epoch.md): that node tells the address.
void Auditor::on_epoch(const Bytes& data) {
  static constexpr std::string_view name = "\ncandidate ";
  const std::size_t at = data.find(name);
  const std::size_t end = data.find('\n', at + 1);
  if (at == Bytes::npos || end == Bytes::npos) {
    complaints_.push_back("the epoch node cannot be read");
    return;
  }
  if (phase_ == Phase::again && data != epoch_) {
    audit_later();  // another master leads by now
    return;
  }
  epoch_ = data;
  candidate_ = data.substr(at + name.size(), end - at - name.size());
  if (phase_ == Phase::registry) {
    client_.submit(OpCode::get_data, zkwire::PathWatchRequest{candidate_, false});
  }
}

void Auditor::on_candidate(const Bytes& data) {
  for (const ports::Address& master : masters_) {
    if (data.find('"' + master.host + '"') != Bytes::npos) {
      address_ = master;
    }
  }
}

void Auditor::read_buckets(const std::vector<std::string>& names) {
  left_ = names.size();
  for (const std::string& name : names) {
    client_.submit(OpCode::get_data,
                   zkwire::PathWatchRequest{std::string(registry_path) + "/agents/" + name, false});
  }
  if (left_ == 0) {
    audit_later();
  }
}

void Auditor::on_bucket(const Bytes& data) {
  mesos::registry::AgentBucket bucket;
  if (!bucket.ParseFromString(data)) {
    complaints_.push_back("a bucket of the registry cannot be read");
  }
  for (const auto& agent : bucket.agents()) {
    if (agent.state() == mesos::registry::Agent::ADMITTED) {
      admitted_.push_back(agent.id());
    }
  }
  if (--left_ == 0) {
    registry_read();
  }
}

void Auditor::registry_read() {
  if (phase_ == Phase::registry) {
    ask_master();
    return;
  }
  ++audits_;
  std::map<std::string, Instant> missing;
  for (const std::string& agent : suspects_) {
    if (std::find(admitted_.begin(), admitted_.end(), agent) == admitted_.end()) {
      continue;
    }
    const auto before = missing_since_.find(agent);
    const Instant since = before == missing_since_.end() ? lane_.now() : before->second;
    missing.emplace(agent, since);
    if (lane_.now() - since > page_age_max) {
      complaints_.push_back(fmt::format(
          "the registry holds agent {} as admitted, and master {}, which leads, does not know it",
          agent, to_string(address_)));
    }
  }
  missing_since_ = std::move(missing);
  audit_later();
}

void Auditor::ask_master() {
  if (address_.port == 0) {
    audit_later();
    return;
  }
  phase_ = Phase::master;
  const auto status = std::make_shared<int>(0);  // between the callbacks of one request
  // An answer to a question that was given up says how things were then.
  const auto current = [this, number = ++asked_] { return number == asked_; };
  HttpListener listener;
  listener.on_head = [status](const HttpHead& head) { *status = head.status; };
  listener.on_body = [this, current](ByteView bytes) {
    if (current()) {
      state_ += bytes;
    }
  };
  listener.on_end = [this, status, current](const std::string& failure) {
    if (!current()) {
      return;
    }
    if (!failure.empty() || *status != 200) {
      audit_later();
      return;
    }
    compare(state_);
  };
  HttpRequest request;
  request.to = address_;
  request.method = "GET";
  request.path = "/slaves";
  lane_.after(Duration(), [old = std::move(http_)] {});
  http_ = std::make_unique<RawHttp>(process_, std::move(request), std::move(listener));
}

void Auditor::compare(const Bytes& state) {
  const auto document = http::parse_json(state);
  if (!document.ok() || !client_.ready()) {
    audit_later();
    return;
  }
  std::vector<std::string> known;
  for (const char* list : {"slaves", "recovered_slaves"}) {
    for (const http::Json& agent : (*document)[list].items()) {
      known.emplace_back(agent["id"].as_string());
    }
  }
  for (const std::string& agent : admitted_) {
    if (std::find(known.begin(), known.end(), agent) == known.end()) {
      suspects_.push_back(agent);
    }
  }
  // It may have become unreachable meanwhile, or another master may lead: look again.
  read_registry(Phase::again);
}

}  // namespace synod::sim::resources
