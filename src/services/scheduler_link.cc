#include "services/scheduler_link.h"

#include <algorithm>

#include "mesos/encoding.h"
#include "mesos/recordio.h"
#include "mesos/v1.h"
#include "mesos/v1/scheduler.pb.h"
#include "services/calls.h"

namespace synod::services {
namespace {

namespace v1 = ::mesos::v1;
using v1::scheduler::Call;
using v1::scheduler::Event;

constexpr Duration pause_first = Duration::millis(50);
constexpr Duration pause_max = Duration::millis(500);
// Five missed heartbeats of fifteen seconds.
constexpr Duration silence_max = Duration::seconds(75);
constexpr char scheduler_path[] = "/api/v1/scheduler";

}  // namespace

struct SchedulerLink::Decoder {
  mesos::RecordDecoder records;
};

SchedulerLink::SchedulerLink(ports::Lane& lane, ports::Network& network, LinkOptions options,
                             LinkCallbacks callbacks)
    : lane_(lane),
      client_(lane, network),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      decoder_(std::make_unique<Decoder>()),
      pause_(pause_first) {}

SchedulerLink::~SchedulerLink() { lane_.cancel(retry_timer_); }

void SchedulerLink::set_master(std::optional<ports::HostPort> master) {
  if (master == master_ && stream_ != nullptr) {
    return;
  }
  if (master_ && master != master_) {
    former_ = master_;
  }
  master_ = std::move(master);
  redirected_.reset();
  pause_ = pause_first;
  lose("the leading master changed");
  lane_.cancel(retry_timer_);
  if (master_) {
    subscribe();
  }
}

void SchedulerLink::subscribe() {
  if (!master_) {
    return;
  }
  Call call;
  call.set_type(Call::SUBSCRIBE);
  v1::FrameworkInfo* info = call.mutable_subscribe()->mutable_framework_info();
  info->set_user(options_.user);
  info->set_name(options_.framework_name);
  info->set_failover_timeout(static_cast<double>(options_.failover_timeout.seconds()));
  info->set_checkpoint(true);
  info->set_hostname(options_.hostname);
  if (!options_.web_url.empty()) {
    info->set_webui_url(options_.web_url);
  }
  if (!framework_id_.empty()) {
    call.mutable_framework_id()->set_value(framework_id_);
    info->mutable_id()->set_value(framework_id_);
  }
  http::Request request;
  request.method = "POST";
  request.target = scheduler_path;
  request.headers = {{"Content-Type", mesos::protobuf_type}, {"Accept", mesos::protobuf_type}};
  request.body = mesos::encode_protobuf(call);
  decoder_ = std::make_unique<Decoder>();
  http::CallOptions options;
  options.timeout = Duration::seconds(5);
  options.silence_max = silence_max;
  http::StreamConsumer consumer;
  consumer.on_head = scope_.wrap([this](const http::Response& head) { on_head(head); });
  consumer.on_body = scope_.wrap([this](ByteView piece) { on_body(piece); });
  consumer.on_end = scope_.wrap([this](const Status& end) { on_end(end); });
  stream_ = client_.stream(redirected_ ? *redirected_ : *master_, std::move(request), options,
                           std::move(consumer));
}

void SchedulerLink::on_head(const http::Response& head) {
  if (head.status == 200) {
    stream_id_ = head.headers.get("Mesos-Stream-Id");
    return;
  }
  if (head.status == 307) {
    // A master that has not heard yet that it leads names the one before, which is dead or, worse,
    // silent: an attempt there would take until its timeout.
    const auto url = http::parse_url(std::string(head.headers.get("Location")));
    if (url.ok() && url->endpoint != former_) {
      follow_ = url->endpoint;
    }
  }
  lane_.log().info("services", "master answers the subscription with {}", head.status);
}

void SchedulerLink::on_body(ByteView piece) {
  if (stream_id_.empty()) {
    return;  // the text of a refusal
  }
  std::vector<Bytes> records;
  const Status fed = decoder_->records.feed(piece, records);
  // The connection may be lost by the handling of a record: the rest of it then means nothing.
  const std::string stream_id = stream_id_;
  for (const Bytes& record : records) {
    if (stream_id_ == stream_id) {
      on_record(record);
    }
  }
  if (!fed.ok() && stream_id_ == stream_id) {
    lane_.log().warning("services", "the master's stream is damaged: {}", fed.error().message);
    lose("damaged stream");
    retry();
  }
}

void SchedulerLink::on_record(ByteView record) {
  Event event;
  if (const Status read = mesos::decode_protobuf(record, event); !read.ok()) {
    lane_.log().warning("services", "an event that cannot be read: {}", read.error().message);
    return;
  }
  const Instant now = lane_.now();
  switch (event.type()) {
    case Event::SUBSCRIBED:
      framework_id_ = event.subscribed().framework_id().value();
      pause_ = pause_first;
      lane_.log().info("services", "subscribed as {}", framework_id_);
      callbacks_.named(framework_id_);
      callbacks_.hear(core::Subscribed{now});
      return;
    case Event::OFFERS: {
      core::Offers offers{now, {}};
      for (const v1::Offer& offer : event.offers().offers()) {
        hosts_[offer.agent_id().value()] = offer.hostname();
        offers.offers.push_back(offer_from(offer));
      }
      callbacks_.hear(offers);
      return;
    }
    case Event::RESCIND:
      callbacks_.hear(core::Rescind{now, event.rescind().offer_id().value()});
      return;
    case Event::UPDATE: callbacks_.hear(update_from(event.update().status(), now)); return;
    case Event::ERROR: {
      const std::string why = event.error().message();
      lane_.log().warning("services", "the master refuses us: {}", why);
      if (why.find("failed over") != std::string::npos) {
        callbacks_.deposed(why);
      } else if (why.find("removed") != std::string::npos) {
        framework_id_.clear();  // our framework is no more; its tasks are gone with it
      }
      return;
    }
    default: return;  // heartbeats, failures of agents and executors: updates say what matters
  }
}

void SchedulerLink::on_end(const Status& end) {
  const std::string why = end.ok() ? "the master ended the stream" : end.error().message;
  lane_.log().info("services", "not subscribed: {}", why);
  lose(why);
  // A redirection holds for one attempt, made at once: the leader it names may be a dead one.
  redirected_ = std::exchange(follow_, std::nullopt);
  if (redirected_) {
    subscribe();
  } else {
    retry();
  }
}

// Forgets the subscription; the core hears of it once.
void SchedulerLink::lose(const std::string& why) {
  (void)why;
  const bool was = subscribed();
  stream_id_.clear();
  queue_.clear();
  posting_.reset();
  stream_.reset();
  if (was) {
    callbacks_.hear(core::Disconnected{lane_.now()});
  }
}

void SchedulerLink::retry() {
  lane_.cancel(retry_timer_);
  retry_timer_ = lane_.after(pause_, scope_.wrap([this] { subscribe(); }));
  pause_ = std::min(pause_ * 2, pause_max);
}

void SchedulerLink::perform(const core::Effect& effect) {
  if (!subscribed()) {
    return;
  }
  std::string host;
  if (const auto* accept = std::get_if<core::Accept>(&effect)) {
    host = hosts_[accept->agent_id];
  }
  if (auto call = call_of(effect, framework_id_, host)) {
    post(std::move(*call));
  }
}

void SchedulerLink::post(Bytes call) {
  queue_.push_back(std::move(call));
  post_next();
}

void SchedulerLink::post_next() {
  if (posting_ != nullptr || queue_.empty()) {
    return;
  }
  http::Request request;
  request.method = "POST";
  request.target = scheduler_path;
  request.headers = {{"Content-Type", mesos::protobuf_type}, {"Mesos-Stream-Id", stream_id_}};
  request.body = std::move(queue_.front());
  queue_.pop_front();
  posting_ = client_.request(
      redirected_ ? *redirected_ : *master_, std::move(request), {},
      scope_.wrap([this](const Result<http::Response>& result) { posted(result); }));
}

void SchedulerLink::posted(const Result<http::Response>& result) {
  posting_.reset();
  const bool accepted = result.ok() && result->status / 100 == 2;
  if (!accepted) {
    const std::string why =
        result.ok() ? std::to_string(result->status) + " " + result->body : result.error().message;
    lane_.log().warning("services", "a call was not taken: {}", why);
    if (!result.ok() || result->status != 400) {
      lose(why);
      retry();
      return;
    }
  }
  post_next();
}

}  // namespace synod::services
