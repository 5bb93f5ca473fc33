#include "agent/master_link.h"

#include <algorithm>

#include "agent/convert.h"
#include "mesos/encoding.h"
#include "mesos/internal.h"
#include "mesos/recordio.h"

namespace synod::agent {

namespace {

using mesos::internal::AgentCall;
using mesos::internal::MasterEvent;

// Calls under way at once. They may overtake each other.
constexpr std::size_t calls_in_flight_max = 8;
constexpr int redirects_max = 3;

std::string task_of(const AgentCall& call) {
  if (call.type() != AgentCall::UPDATE) {
    return "";
  }
  const auto& update = call.update().update();
  return update.framework_id().value() + '/' + update.status().task_id().value();
}

}  // namespace

struct MasterLink::Decoder {
  mesos::RecordDecoder records;
};

MasterLink::MasterLink(ports::Lane& lane, ports::Network& network, std::string version,
                       MasterLinkHandler handler)
    : lane_(lane),
      version_(std::move(version)),
      handler_(std::move(handler)),
      client_(lane, network) {}

MasterLink::~MasterLink() = default;

void MasterLink::connect(const ports::HostPort& master, const AgentCall& subscribe) {
  AgentCall call = subscribe;
  call.set_type(AgentCall::SUBSCRIBE);
  call.mutable_versions()->set_protocol(mesos::internal_protocol);
  call.mutable_versions()->set_oldest(mesos::internal_protocol_oldest);
  call.mutable_versions()->set_program("synod " + version_);
  subscribe_ = mesos::encode_protobuf(call);
  master_ = master;
  redirects_ = 0;
  open();
}

void MasterLink::open() {
  stream_scope_.reset();
  retire(std::move(stream_));
  for (auto& [id, post] : posts_) {
    retire(std::move(post.call));
  }
  posts_.clear();
  in_flight_ = 0;
  calls_.clear();
  stream_id_.clear();
  accepted_ = false;
  refusal_.clear();
  decoder_ = std::make_unique<Decoder>();
  http::Request request;
  request.method = "POST";
  request.target = mesos::agent_path;
  request.headers = {{"Content-Type", mesos::protobuf_type}, {"Accept", mesos::protobuf_type}};
  request.body = subscribe_;
  http::CallOptions options;
  options.timeout = Duration::seconds(10);
  http::StreamConsumer consumer;
  consumer.on_head = stream_scope_.wrap([this](const http::Response& head) { on_head(head); });
  consumer.on_body = stream_scope_.wrap([this](ByteView piece) { on_body(piece); });
  consumer.on_end = stream_scope_.wrap([this](const Status& end) { on_end(end); });
  stream_ = client_.stream(master_, std::move(request), options, std::move(consumer));
}

void MasterLink::on_head(const http::Response& head) {
  if (head.status == 200) {
    accepted_ = true;
    return;
  }
  if (head.status == 307 && redirects_ < redirects_max) {
    if (auto url = http::parse_url(std::string(head.headers.get("Location"))); url.ok()) {
      ++redirects_;
      master_ = url->endpoint;
      open();
      return;
    }
  }
  refusal_ = "the master answered " + std::to_string(head.status);
}

void MasterLink::on_body(ByteView piece) {
  if (!accepted_) {
    if (refusal_.size() < 500) {
      refusal_ += ": " + std::string(piece.substr(0, 300));
    }
    return;
  }
  std::vector<Bytes> records;
  const Status fed = decoder_->records.feed(piece, records);
  for (const Bytes& record : records) {
    const auto* before = stream_.get();
    handle(record);
    if (stream_ == nullptr || stream_.get() != before) {
      return;  // the core dropped this stream meanwhile
    }
  }
  if (!fed.ok()) {
    lose(fed.error().message);
  }
}

void MasterLink::on_end(const Status& end) {
  if (!refusal_.empty()) {
    lose(refusal_);
  } else {
    lose(end.ok() ? "the master closed the connection" : to_string(end.error()));
  }
}

void MasterLink::handle(ByteView record) {
  MasterEvent event;
  if (const Status decoded = mesos::decode_protobuf(record, event); !decoded.ok()) {
    lose(decoded.error().message);
    return;
  }
  if (event.type() == MasterEvent::REGISTERED) {
    const auto& registered = event.registered();
    if (registered.versions().oldest() > mesos::internal_protocol ||
        registered.versions().protocol() < mesos::internal_protocol_oldest) {
      lose("the master speaks no protocol of ours");
      return;
    }
    stream_id_ = registered.stream_id();
    agent_id_ = registered.agent_id().value();
    identity_ = identity_from(event.epoch());
  }
  handler_.on_event(event);
}

void MasterLink::disconnect(const std::string& reason) { lose(reason); }

void MasterLink::lose(const std::string& reason) {
  if (stream_ == nullptr) {
    return;
  }
  stream_scope_.reset();
  retire(std::move(stream_));
  for (auto& [id, post] : posts_) {
    retire(std::move(post.call));
  }
  posts_.clear();
  in_flight_ = 0;
  calls_.clear();
  stream_id_.clear();
  lane_.after(Duration(), stream_scope_.wrap([this, reason] { handler_.on_lost(reason); }));
}

void MasterLink::retire(std::unique_ptr<http::Call> call) {
  if (call != nullptr) {
    lane_.after(Duration(), [call = std::move(call)] {});
  }
}

void MasterLink::send(AgentCall call) {
  if (!registered()) {
    return;
  }
  call.mutable_versions()->set_protocol(mesos::internal_protocol);
  call.mutable_versions()->set_oldest(mesos::internal_protocol_oldest);
  set_identity(identity_, call.mutable_epoch());
  call.set_stream_id(stream_id_);
  call.mutable_agent_id()->set_value(agent_id_);
  calls_.push_back({task_of(call), mesos::encode_protobuf(call)});
  post_next();
}

bool MasterLink::may_post(const Queued& queued) const {
  return queued.task.empty() || std::none_of(posts_.begin(), posts_.end(), [&](const auto& post) {
           return post.second.task == queued.task;
         });
}

void MasterLink::post_next() {
  while (in_flight_ < calls_in_flight_max) {
    const auto next = std::find_if(calls_.begin(), calls_.end(),
                                   [this](const Queued& queued) { return may_post(queued); });
    if (next == calls_.end()) {
      return;
    }
    Queued queued = std::move(*next);
    calls_.erase(next);
    http::Request request;
    request.method = "POST";
    request.target = mesos::agent_path;
    request.headers = {{"Content-Type", mesos::protobuf_type}};
    request.body = std::move(queued.body);
    ++in_flight_;
    const std::uint64_t id = ++posts_made_;
    posts_[id] = {std::move(queued.task),
                  client_.request(
                      master_, std::move(request), http::CallOptions{},
                      stream_scope_.wrap([this, id](const auto& answer) { posted(id, answer); }))};
  }
}

void MasterLink::posted(std::uint64_t id, const Result<http::Response>& answer) {
  const auto post = posts_.find(id);
  if (post == posts_.end()) {
    return;
  }
  retire(std::move(post->second.call));
  posts_.erase(post);
  --in_flight_;
  if (!answer.ok()) {
    // What the call said is said again after the next SUBSCRIBE.
    lose("a call to the master failed: " + to_string(answer.error()));
    return;
  }
  if (answer->status == 409 || answer->status == 307 || answer->status == 503) {
    lose("the master answered " + std::to_string(answer->status) + ": " + answer->body);
    return;
  }
  if (answer->status != 202) {
    lane_.log().warning("agent", "a call to the master was refused: {} {}", answer->status,
                        answer->body);
  }
  post_next();
}

}  // namespace synod::agent
