#include "executor/agent_link.h"

#include <algorithm>
#include <utility>

#include "mesos/encoding.h"
#include "mesos/recordio.h"
#include "mesos/v1.h"
#include "mesos/v1/executor.pb.h"
#include "ports/entropy.h"

namespace synod::executor {

namespace {

namespace v1 = ::mesos::v1;

constexpr char path[] = "/api/v1/executor";
constexpr std::size_t endpoint_size_max = 256;
// Attempts double their window from here up to backoff_max, so that a restarted agent finds its
// executors at once.
constexpr Duration backoff_min = Duration::millis(50);

}  // namespace

struct AgentLink::Decoder {
  mesos::RecordDecoder records;
};

AgentLink::AgentLink(const AgentLinkOptions& options, ports::Lane& lane, ports::Network& network,
                     ports::Disk& disk, AgentLinkHandler handler)
    : options_(options),
      lane_(lane),
      disk_(disk),
      handler_(std::move(handler)),
      client_(lane, network) {}

AgentLink::~AgentLink() {
  lane_.cancel(retry_timer_);
  lane_.cancel(post_timer_);
}

void AgentLink::start() {
  away_since_ = lane_.now();
  connect();
}

ports::HostPort AgentLink::endpoint() const {
  std::string text = options_.agent_endpoint;
  if (!options_.endpoint_file.empty()) {
    if (auto bytes = ports::read_file(disk_, options_.endpoint_file, endpoint_size_max);
        bytes.ok() && !bytes->empty()) {
      text = *bytes;
      text.erase(text.find_last_not_of(" \n") + 1);
    }
  }
  return ports::parse_host_port(text, 5051).value_or(ports::HostPort{"127.0.0.1", 5051});
}

http::Request AgentLink::request(Bytes body) const {
  http::Request made;
  made.method = "POST";
  made.target = path;
  made.headers = {{"Content-Type", mesos::protobuf_type}, {"Accept", mesos::protobuf_type}};
  made.body = std::move(body);
  return made;
}

void AgentLink::connect() {
  retry_timer_ = ports::TimerId();
  v1::executor::Call call;
  call.set_type(v1::executor::Call::SUBSCRIBE);
  call.mutable_executor_id()->set_value(options_.executor_id);
  call.mutable_framework_id()->set_value(options_.framework_id);
  auto* subscribe = call.mutable_subscribe();
  if (held_task_) {
    subscribe->add_unacknowledged_tasks()->ParseFromString(*held_task_);
  }
  for (Pending& pending : updates_) {
    pending.delivered = false;
    pending.carried = true;
    subscribe->add_unacknowledged_updates()->mutable_status()->ParseFromString(pending.status);
  }
  decoder_ = std::make_unique<Decoder>();
  http::CallOptions options;
  options.timeout = Duration::seconds(5);
  http::StreamConsumer consumer;
  consumer.on_head = scope_.wrap([this](const http::Response& head) { on_head(head); });
  consumer.on_body = scope_.wrap([this](ByteView piece) { on_body(piece); });
  consumer.on_end = scope_.wrap([this](const Status& end) { on_end(end); });
  stream_ = client_.stream(endpoint(), request(mesos::encode_protobuf(call)), options,
                           std::move(consumer));
}

void AgentLink::on_head(const http::Response& head) {
  if (head.status == 200) {
    return;
  }
  // 503: the agent recovers. 400 and 403 come while it does not know us yet, or no more: the
  // patience of recovery_timeout covers both.
  lost("the agent answered " + std::to_string(head.status));
}

void AgentLink::on_body(ByteView bytes) {
  if (stream_ == nullptr) {
    return;
  }
  std::vector<Bytes> records;
  const Status fed = decoder_->records.feed(bytes, records);
  for (const Bytes& record : records) {
    handle(record);
    if (stream_ == nullptr) {
      return;
    }
  }
  if (!fed.ok()) {
    lost(fed.error().message);
  }
}

void AgentLink::on_end(const Status& end) {
  lost(end.ok() ? "the agent closed the connection" : to_string(end.error()));
}

void AgentLink::handle(ByteView record) {
  v1::executor::Event event;
  if (const Status decoded = mesos::decode_protobuf(record, event); !decoded.ok()) {
    lost(decoded.error().message);
    return;
  }
  if (event.type() == v1::executor::Event::SUBSCRIBED) {
    subscribed_ = true;
    attempts_ = 0;
    away_since_.reset();
    lane_.log().info("executor", "subscribed to the agent");
    // What the SUBSCRIBE carried is taken by the agent without a POST of its own; what came after
    // the SUBSCRIBE had left has yet to be said.
    for (Pending& pending : updates_) {
      pending.delivered = pending.carried;
    }
  } else if (event.type() == v1::executor::Event::ACKNOWLEDGED) {
    acknowledged(event.acknowledged().uuid());
  } else if (event.type() == v1::executor::Event::ERROR) {
    give_up(event.error().message());
    return;
  }
  handler_.on_event(event);
  post_next();
}

void AgentLink::acknowledged(const std::string& uuid) {
  held_task_.reset();
  updates_.erase(std::remove_if(updates_.begin(), updates_.end(),
                                [&](const Pending& pending) { return pending.uuid == uuid; }),
                 updates_.end());
}

void AgentLink::lost(const std::string& why) {
  if (given_up_) {
    return;
  }
  retire(std::move(stream_));
  retire(std::move(post_));
  lane_.cancel(post_timer_);
  post_timer_ = ports::TimerId();
  if (subscribed_ || attempts_ == 0) {
    lane_.log().warning("executor", "no connection to the agent: {}", why);
  }
  subscribed_ = false;
  if (!away_since_) {
    away_since_ = lane_.now();
  }
  if (lane_.now() - *away_since_ >= options_.recovery_timeout) {
    give_up("the agent was away for too long");
    return;
  }
  if (retry_timer_ != ports::TimerId()) {
    return;
  }
  const int doublings = std::min(attempts_++, 10);
  const Duration window =
      std::min(backoff_min * (std::int64_t{1} << doublings), options_.backoff_max);
  const auto span = static_cast<std::uint64_t>(std::max<std::int64_t>(window.nanos(), 1));
  const Duration delay = Duration::nanos(static_cast<std::int64_t>(lane_.entropy().next() % span));
  retry_timer_ = lane_.after(delay, scope_.wrap([this] { connect(); }));
}

void AgentLink::give_up(const std::string& why) {
  given_up_ = true;
  retire(std::move(stream_));
  retire(std::move(post_));
  handler_.on_given_up(why);
}

void AgentLink::retire(std::unique_ptr<http::Call> call) {
  if (call != nullptr) {
    lane_.after(Duration(), [call = std::move(call)] {});
  }
}

void AgentLink::hold_task(const v1::TaskInfo& task) { held_task_ = mesos::encode_protobuf(task); }

void AgentLink::send(const v1::TaskStatus& status) {
  updates_.push_back(Pending{mesos::encode_protobuf(status), status.uuid()});
  post_next();
}

void AgentLink::post_next() {
  if (!subscribed_ || post_ != nullptr || post_timer_ != ports::TimerId()) {
    return;
  }
  const auto next = std::find_if(updates_.begin(), updates_.end(),
                                 [](const Pending& pending) { return !pending.delivered; });
  if (next == updates_.end()) {
    return;
  }
  v1::executor::Call call;
  call.set_type(v1::executor::Call::UPDATE);
  call.mutable_executor_id()->set_value(options_.executor_id);
  call.mutable_framework_id()->set_value(options_.framework_id);
  call.mutable_update()->mutable_status()->ParseFromString(next->status);
  post_ =
      client_.request(endpoint(), request(mesos::encode_protobuf(call)), http::CallOptions{},
                      scope_.wrap([this, uuid = next->uuid](const Result<http::Response>& answer) {
                        retire(std::move(post_));
                        if (answer.ok() && answer->status == 202) {
                          for (Pending& pending : updates_) {
                            pending.delivered = pending.delivered || pending.uuid == uuid;
                          }
                        }
                        posted(answer);
                      }));
}

void AgentLink::posted(const Result<http::Response>& answer) {
  if (answer.ok() && answer->status == 202) {
    post_next();
    return;
  }
  lane_.log().warning("executor", "an update was not taken: {}",
                      answer.ok() ? std::to_string(answer->status) + " " + answer->body
                                  : to_string(answer.error()));
  post_timer_ = lane_.after(Duration::millis(500), scope_.wrap([this] {
    post_timer_ = ports::TimerId();
    post_next();
  }));
}

}  // namespace synod::executor
