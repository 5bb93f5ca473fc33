#include "agent/executor_api.h"

#include "agent/convert.h"
#include "mesos/encoding.h"
#include "mesos/recordio.h"
#include "mesos/v1.h"
#include "mesos/v1/executor.pb.h"

namespace synod::agent {

namespace {

namespace v1 = ::mesos::v1;
using v1::executor::Call;
using v1::executor::Event;

constexpr Duration heartbeat_interval = Duration::seconds(30);

// nullopt if the status of an update may be taken, else why not.
std::optional<std::string> status_error(const v1::TaskStatus& status,
                                        const std::string& executor_id) {
  if (status.uuid().size() != 16) {
    return "UPDATE: status.uuid must be 16 bytes";
  }
  if (status.has_executor_id() && status.executor_id().value() != executor_id) {
    return "UPDATE: status.executor_id is another executor's";
  }
  if (status.has_source() && status.source() != v1::TaskStatus::SOURCE_EXECUTOR) {
    return "UPDATE: status.source must be SOURCE_EXECUTOR";
  }
  if (status.state() == v1::TASK_STAGING) {
    return "UPDATE: TASK_STAGING is not an executor's to say";
  }
  return std::nullopt;
}

std::optional<std::string> call_error(const Call& call) {
  switch (call.type()) {
    case Call::SUBSCRIBE:
      if (!call.has_subscribe()) {
        return "expecting 'subscribe' to be present";
      }
      for (const auto& update : call.subscribe().unacknowledged_updates()) {
        if (auto error = status_error(update.status(), call.executor_id().value())) {
          return error;
        }
      }
      return std::nullopt;
    case Call::UPDATE:
      return call.has_update() ? status_error(call.update().status(), call.executor_id().value())
                               : std::optional<std::string>("expecting 'update' to be present");
    case Call::MESSAGE:
      return call.has_message() ? std::nullopt
                                : std::optional<std::string>("expecting 'message' to be present");
    case Call::HEARTBEAT: return std::nullopt;
    default: return "expecting 'type' to be present";
  }
}

core::ExecutorKey key_of(const Call& call) {
  return core::ExecutorKey{call.framework_id().value(), call.executor_id().value()};
}

}  // namespace

struct ExecutorApi::Subscriber {
  std::unique_ptr<http::ResponseStream> stream;
  mesos::Encoding encoding = mesos::Encoding::json;
  std::uint64_t number = 0;
};

struct ExecutorApi::Attempt {
  http::Responder responder;
  mesos::Encoding encoding = mesos::Encoding::json;
};

ExecutorApi::ExecutorApi(ports::Lane& lane, const core::Core& core, ExecutorApiHandler handler)
    : lane_(lane), core_(core), handler_(std::move(handler)) {
  heartbeat_ = lane_.after(heartbeat_interval, scope_.wrap([this] { beat(); }));
}

ExecutorApi::~ExecutorApi() { lane_.cancel(heartbeat_); }

void ExecutorApi::handle(http::Request request, http::Responder responder) {
  const auto refuse = [&responder](int status, const std::string& why) {
    responder.respond(http::text_response(status, why));
  };
  if (!core_.recovered()) {
    return refuse(503, "Agent has not finished recovery");
  }
  if (request.method != "POST") {
    http::Response response = http::text_response(405, "Expecting a POST");
    response.headers.set("Allow", "POST");
    return responder.respond(std::move(response));
  }
  const std::string* content_type = request.headers.find("Content-Type");
  if (content_type == nullptr) {
    return refuse(400, "Expecting 'Content-Type' to be present");
  }
  const auto encoding = mesos::encoding_of(*content_type);
  if (!encoding) {
    return refuse(415, "Expecting 'Content-Type' of application/json or application/x-protobuf");
  }
  Call call;
  if (const Status decoded = mesos::decode(*encoding, request.body, call); !decoded.ok()) {
    return refuse(400, "Failed to parse body: " + decoded.error().message);
  }
  if (const auto error = call_error(call)) {
    return refuse(400, *error);
  }
  const core::ExecutorKey key = key_of(call);
  const auto executor = core_.executors().find(key);
  if (executor == core_.executors().end()) {
    return refuse(400, "Executor cannot be found");
  }
  if (call.type() == Call::SUBSCRIBE) {
    const auto wanted = mesos::acceptable_encoding(request.headers.get("Accept"));
    if (!wanted) {
      return refuse(406, "Expecting 'Accept' to allow application/json or application/x-protobuf");
    }
    return subscribe(key, call, Attempt{std::move(responder), *wanted});
  }
  if (call.type() == Call::HEARTBEAT) {
    return responder.respond(http::Response{202, {}, ""});
  }
  if (!executor->second.connected) {
    return refuse(403, "Executor is not subscribed");
  }
  if (call.type() == Call::UPDATE) {
    const auto& status = call.update().status();
    handler_.step(core::ExecutorUpdated{key, core::TaskKey{key.framework, status.task_id().value()},
                                        update_from(status)});
  } else {
    handler_.on_message(key, call.message().data());
  }
  responder.respond(http::Response{202, {}, ""});
}

void ExecutorApi::subscribe(const core::ExecutorKey& key, const Call& call, Attempt attempt) {
  core::ExecutorSubscribed event;
  event.executor = key;
  for (const auto& task : call.subscribe().unacknowledged_tasks()) {
    event.unacknowledged_tasks.push_back(task.task_id().value());
  }
  for (const auto& update : call.subscribe().unacknowledged_updates()) {
    event.unacknowledged_updates.emplace_back(
        core::TaskKey{key.framework, update.status().task_id().value()},
        update_from(update.status()));
  }
  attempt_ = std::make_unique<Attempt>(std::move(attempt));
  handler_.step(std::move(event));
  if (attempt_ != nullptr) {
    attempt_->responder.respond(http::text_response(503, "Executor cannot subscribe now"));
    attempt_.reset();
  }
}

void ExecutorApi::perform(const core::ToExecutor& effect) {
  Event event;
  if (std::holds_alternative<core::ExecutorAccepted>(effect.body)) {
    return accept(effect.executor);
  }
  if (const auto* refused = std::get_if<core::ExecutorRefused>(&effect.body)) {
    if (attempt_ != nullptr) {
      attempt_->responder.respond(http::text_response(400, refused->reason));
      attempt_.reset();
    }
    return;
  }
  if (const auto* launch = std::get_if<core::LaunchTask>(&effect.body)) {
    event.set_type(Event::LAUNCH);
    event.mutable_launch()->mutable_task()->ParsePartialFromString(launch->task.info);
  } else if (const auto* kill = std::get_if<core::KillTask>(&effect.body)) {
    event.set_type(Event::KILL);
    event.mutable_kill()->mutable_task_id()->set_value(kill->task);
    event.mutable_kill()->mutable_kill_policy()->mutable_grace_period()->set_nanoseconds(
        kill->grace.nanos());
  } else if (const auto* done = std::get_if<core::AcknowledgeUpdate>(&effect.body)) {
    event.set_type(Event::ACKNOWLEDGED);
    event.mutable_acknowledged()->mutable_task_id()->set_value(done->task);
    event.mutable_acknowledged()->set_uuid(bytes_of(done->uuid));
  } else if (const auto* message = std::get_if<core::ExecutorMessage>(&effect.body)) {
    event.set_type(Event::MESSAGE);
    event.mutable_message()->set_data(message->data);
  } else {
    event.set_type(Event::SHUTDOWN);
  }
  send(effect.executor, event);
}

void ExecutorApi::accept(const core::ExecutorKey& key) {
  if (attempt_ == nullptr) {
    return;
  }
  const auto attempt = std::move(attempt_);
  auto subscriber = std::make_unique<Subscriber>();
  subscriber->encoding = attempt->encoding;
  subscriber->number = ++subscriptions_;
  http::Response head;
  head.headers.set("Content-Type", mesos::media_type(attempt->encoding));
  subscriber->stream = attempt->responder.stream(std::move(head));
  subscriber->stream->on_closed(
      scope_.wrap([this, key, number = subscriber->number] { on_closed(key, number); }));
  if (auto& older = subscribers_[key]) {
    older->stream->cut();  // one executor, one stream: the newer one is alive
  }
  subscribers_[key] = std::move(subscriber);

  const core::Executor& executor = core_.executors().at(key);
  Event event;
  event.set_type(Event::SUBSCRIBED);
  auto* subscribed = event.mutable_subscribed();
  subscribed->mutable_executor_info()->ParsePartialFromString(executor.spec.info);
  const auto framework = core_.frameworks().find(key.framework);
  if (framework != core_.frameworks().end()) {
    subscribed->mutable_framework_info()->ParsePartialFromString(framework->second.info);
  }
  *subscribed->mutable_agent_info() = handler_.agent_info();
  subscribed->mutable_container_id()->set_value(to_string(executor.container));
  send(key, event);
}

void ExecutorApi::on_closed(const core::ExecutorKey& key, std::uint64_t number) {
  const auto it = subscribers_.find(key);
  if (it == subscribers_.end() || it->second->number != number) {
    return;  // an older stream's end
  }
  subscribers_.erase(it);
  handler_.step(core::ExecutorDisconnected{key});
}

void ExecutorApi::send(const core::ExecutorKey& key, const Event& event) {
  const auto it = subscribers_.find(key);
  if (it != subscribers_.end()) {
    // A stream that cannot take it ends, and on_closed follows.
    it->second->stream->write_record(
        mesos::encode_record(mesos::encode(it->second->encoding, event)));
  }
}

void ExecutorApi::beat() {
  Event event;
  event.set_type(Event::HEARTBEAT);
  for (const auto& [key, subscriber] : subscribers_) {
    send(key, event);
  }
  heartbeat_ = lane_.after(heartbeat_interval, scope_.wrap([this] { beat(); }));
}

}  // namespace synod::agent
