#include "master/records.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checksum.h"
#include "master/scheduler_calls.h"
#include "mesos/encoding.h"
#include "mesos/registry.pb.h"
#include "mesos/splice.h"
#include "mesos/v1.h"

namespace synod::master {

namespace {

namespace wire = mesos::registry;

// An agent beside its description, a happening as a whole: to know about how large a node is.
constexpr std::size_t agent_size_usual = 128;
constexpr std::size_t happening_size_usual = 128;

core::AgentRecord record_of(const wire::Agent& agent) {
  return {{agent.id()}, agent.hostname(), agent.ip(), agent.port(), agent.info()};
}

bool lies_below(const std::string& path, std::string_view parent) {
  return path.size() > parent.size() && path.compare(0, parent.size(), parent) == 0 &&
         path[parent.size()] == '/';
}

}  // namespace

// By bucket, then by id: the order in which they are written.
struct Records::Agents {
  std::map<std::string, std::map<std::string, wire::Agent>> buckets;
};

std::string bucket_path(const core::AgentId& agent) {
  return fmt::format("{}/{:02x}", agents_path, hash64(agent.value) % agent_buckets);
}

std::string framework_path(const core::FrameworkId& framework) {
  return std::string(frameworks_path) + '/' + framework.value;
}

Bytes encode(const ChangeRecord& record) {
  wire::LastChange out;
  out.set_master_id(record.master_id);
  out.set_number(record.number);
  return mesos::encode_protobuf(out);
}

Result<ChangeRecord> read_change(ByteView bytes) {
  wire::LastChange read;
  SYNOD_TRY(mesos::decode_protobuf(bytes, read));
  return ChangeRecord{read.master_id(), read.number()};
}

Records::Records() : agents_(std::make_unique<Agents>()) {}
Records::~Records() = default;

Status Records::load(const std::string& path, ByteView bytes) {
  existing_.insert(path);
  if (lies_below(path, agents_path)) {
    wire::AgentBucket bucket;
    SYNOD_TRY(mesos::decode_protobuf(bytes, bucket));
    for (auto& agent : *bucket.mutable_agents()) {
      agents_->buckets[path][agent.id()] = agent;
    }
  } else if (lies_below(path, frameworks_path)) {
    wire::Framework framework;
    SYNOD_TRY(mesos::decode_protobuf(bytes, framework));
    frameworks_[path] = {{framework.id()},
                         static_cast<core::FrameworkRecord::State>(framework.state()),
                         {framework.since_ms()},
                         framework_info_of(framework.info())};
  } else if (path == weights_path) {
    wire::Weights weights;
    SYNOD_TRY(mesos::decode_protobuf(bytes, weights));
    for (const auto& weight : weights.weights()) {
      weights_.push_back({weight.role(), weight.milli()});
    }
  } else if (path == events_path) {
    wire::Events events;
    SYNOD_TRY(mesos::decode_protobuf(bytes, events));
    for (const auto& event : events.events()) {
      happenings_.push_back({{event.at_ms()}, event.kind(), event.text()});
    }
  } else if (path == reign_path) {
    wire::Reign reign;
    SYNOD_TRY(mesos::decode_protobuf(bytes, reign));
    reign_ = ReignRecord{reign.master_id(),
                         reign.address(),
                         MasterEpoch(reign.epoch()),
                         {reign.elected_at_ms()},
                         Duration::millis(reign.session_timeout_ms())};
  }
  return {};
}

core::RegistrySnapshot Records::snapshot() const {
  core::RegistrySnapshot out;
  for (const auto& bucket : agents_->buckets) {
    for (const auto& [id, agent] : bucket.second) {
      switch (agent.state()) {
        case wire::Agent::ADMITTED: out.admitted.push_back(record_of(agent)); break;
        case wire::Agent::UNREACHABLE: out.unreachable.push_back({{id}, {agent.since_ms()}}); break;
        case wire::Agent::GONE: out.gone.push_back({{id}, {agent.since_ms()}}); break;
        case wire::Agent::UNKNOWN: break;
      }
    }
  }
  for (const auto& framework : frameworks_) {
    out.frameworks.push_back(framework.second);
  }
  out.weights = weights_;
  return out;
}

void Records::apply(const core::ToRegistry& change, std::set<std::string>& dirty) {
  auto agent = [this, &dirty](const core::AgentId& id) -> wire::Agent& {
    const std::string path = bucket_path(id);
    dirty.insert(path);
    wire::Agent& found = agents_->buckets[path][id.value];
    found.set_id(id.value);
    return found;
  };
  auto admit = [&agent](const core::AgentRecord& record) {
    wire::Agent& found = agent(record.id);
    found.set_state(wire::Agent::ADMITTED);
    found.clear_since_ms();
    found.set_hostname(record.hostname);
    found.set_ip(record.ip);
    found.set_port(record.port);
    found.set_info(record.bytes);
  };
  auto lose = [&agent](const core::AgentId& id, wire::Agent::State state, WallTime since) {
    wire::Agent& found = agent(id);
    found.set_state(state);
    found.set_since_ms(since.millis);
  };
  struct Apply {
    Records& records;
    std::set<std::string>& dirty;
    decltype(admit)& admit_agent;
    decltype(lose)& lose_agent;

    void operator()(const core::AdmitAgent& body) const { admit_agent(body.agent); }
    void operator()(const core::MarkReachable& body) const { admit_agent(body.agent); }
    void operator()(const core::MarkUnreachable& body) const {
      lose_agent(body.agent, wire::Agent::UNREACHABLE, body.since);
    }
    void operator()(const core::MarkGone& body) const {
      lose_agent(body.agent, wire::Agent::GONE, body.since);
    }
    void operator()(const core::RemoveAgent& body) const {
      const std::string path = bucket_path(body.agent);
      records.agents_->buckets[path].erase(body.agent.value);
      dirty.insert(path);
    }
    void operator()(const core::PutFramework& body) const {
      const std::string path = framework_path(body.framework.id);
      records.frameworks_[path] = body.framework;
      dirty.insert(path);
    }
    void operator()(const core::RemoveFramework& body) const {
      const std::string path = framework_path(body.framework);
      records.frameworks_.erase(path);
      dirty.insert(path);
    }
    void operator()(const core::ConfirmLeadership&) const {}
    void operator()(const core::PutWeights& body) const {
      records.weights_ = body.weights;
      dirty.insert(weights_path);
    }
  };
  std::visit(Apply{*this, dirty, admit, lose}, change.body);
}

void Records::apply(const Happening& happening, std::set<std::string>& dirty) {
  happenings_.push_back(happening);
  while (happenings_.size() > happenings_max) {
    happenings_.pop_front();
  }
  dirty.insert(events_path);
}

void Records::apply(const ReignRecord& reign, std::set<std::string>& dirty) {
  reign_ = reign;
  dirty.insert(reign_path);
}

std::optional<Bytes> Records::node(const std::string& path) const {
  if (lies_below(path, agents_path)) {
    Bytes out;
    const auto bucket = agents_->buckets.find(path);
    if (bucket != agents_->buckets.end()) {
      for (const auto& entry : bucket->second) {
        mesos::append_field(out, wire::AgentBucket::kAgentsFieldNumber,
                            mesos::encode_protobuf(entry.second));
      }
    }
    return out;
  }
  if (lies_below(path, frameworks_path)) {
    const auto framework = frameworks_.find(path);
    if (framework == frameworks_.end()) {
      return std::nullopt;
    }
    wire::Framework out;
    out.set_id(framework->second.id.value);
    out.set_state(static_cast<wire::Framework::State>(framework->second.state));
    out.set_since_ms(framework->second.since.millis);
    const auto read = mesos::decode_protobuf(framework->second.info.bytes, *out.mutable_info());
    SYNOD_CHECK(read.ok());  // our own bytes
    return mesos::encode_protobuf(out);
  }
  if (path == weights_path) {
    wire::Weights out;
    for (const auto& weight : weights_) {
      auto* added = out.add_weights();
      added->set_role(weight.role);
      added->set_milli(weight.weight);
    }
    return mesos::encode_protobuf(out);
  }
  if (path == reign_path) {
    if (!reign_) {
      return std::nullopt;
    }
    wire::Reign out;
    out.set_master_id(reign_->master_id);
    out.set_address(reign_->address);
    out.set_epoch(reign_->epoch.value());
    out.set_elected_at_ms(reign_->elected_at.millis);
    out.set_session_timeout_ms(reign_->session_timeout.millis());
    return mesos::encode_protobuf(out);
  }
  wire::Events out;
  for (const Happening& happening : happenings_) {
    auto* added = out.add_events();
    added->set_at_ms(happening.at.millis);
    added->set_kind(happening.kind);
    added->set_text(happening.text);
  }
  return mesos::encode_protobuf(out);
}

std::size_t Records::size_of(const std::string& path) const {
  if (path == events_path) {
    return happenings_.size() * happening_size_usual;
  }
  const auto bucket = agents_->buckets.find(path);
  if (bucket == agents_->buckets.end()) {
    return node(path).value_or(Bytes()).size();
  }
  std::size_t size = 0;
  for (const auto& entry : bucket->second) {
    size += entry.second.info().size() + agent_size_usual;
  }
  return size;
}

void Records::written(const std::set<std::string>& paths) {
  for (const std::string& path : paths) {
    if (lies_below(path, frameworks_path) && frameworks_.count(path) == 0) {
      existing_.erase(path);
    } else {
      existing_.insert(path);
    }
  }
}

}  // namespace synod::master
