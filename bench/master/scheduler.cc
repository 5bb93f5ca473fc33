#include "bench/master/scheduler.h"

#include <algorithm>
#include <stdexcept>

#include "bench/coordination/session.h"
#include "mesos/v1/scheduler.pb.h"

namespace synod::bench {

using ::mesos::v1::scheduler::Call;
using ::mesos::v1::scheduler::Event;

namespace {

constexpr const char* path = "/api/v1/scheduler";
constexpr const char* media =
    "Content-Type: application/x-protobuf\r\nAccept: application/x-protobuf\r\n";
constexpr double decline_seconds = 3600;

void add_resource(::mesos::v1::TaskInfo& task, const char* name, double value) {
  auto& resource = *task.add_resources();
  resource.set_name(name);
  resource.set_type(::mesos::v1::Value::SCALAR);
  resource.mutable_scalar()->set_value(value);
  resource.mutable_allocation_info()->set_role("*");
}

}  // namespace

Scheduler::Scheduler(Loop& loop, int port, Workload work)
    : loop_(loop), work_(std::move(work)), port_(port) {}

Scheduler::~Scheduler() = default;

void Scheduler::subscribe() {
  Connection::Handlers handlers;
  handlers.answer = [this](int status, std::string_view head, std::string_view body) {
    if (status != 200) {
      throw std::runtime_error("SUBSCRIBE was answered " + std::to_string(status) + ": " +
                               std::string(body));
    }
    constexpr std::string_view name = "Mesos-Stream-Id: ";
    const std::size_t at = head.find(name) + name.size();
    headers_ = std::string(media) +
               "Mesos-Stream-Id: " + std::string(head.substr(at, head.find('\r', at) - at)) +
               "\r\n";
  };
  handlers.record = [this](std::string_view record) { heard(record); };
  handlers.lost = [](const std::string& why) {
    throw std::runtime_error("the scheduler's stream: " + why);
  };
  events_ = std::make_unique<Connection>(loop_, port_, std::move(handlers));
  Call call;
  call.set_type(Call::SUBSCRIBE);
  auto& info = *call.mutable_subscribe()->mutable_framework_info();
  info.set_user("root");
  info.set_name("bench");
  info.add_roles("*");
  info.set_failover_timeout(60);
  info.add_capabilities()->set_type(::mesos::v1::FrameworkInfo::Capability::MULTI_ROLE);
  events_->post(path, media, call.SerializeAsString());
}

void Scheduler::start() {
  Connection::Handlers handlers;
  handlers.answer = [this](int status, std::string_view, std::string_view body) {
    --unanswered_;
    if (status != 202) {
      throw std::runtime_error("a call was answered " + std::to_string(status) + ": " +
                               std::string(body));
    }
    pump();
  };
  handlers.lost = [](const std::string& why) {
    throw std::runtime_error("the scheduler's calls: " + why);
  };
  calls_ = std::make_unique<Connection>(loop_, port_, std::move(handlers));
  started_ = true;
  use_offers();
}

void Scheduler::heard(std::string_view record) {
  Event event;
  if (!event.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
    throw std::runtime_error("the scheduler heard what is no event");
  }
  take(event);
}

void Scheduler::take(const Event& event) {
  if (event.type() == Event::SUBSCRIBED) {
    framework_ = event.subscribed().framework_id().value();
  } else if (event.type() == Event::OFFERS) {
    offers_heard_ += static_cast<std::uint64_t>(event.offers().offers_size());
    for (const auto& offer : event.offers().offers()) {
      double cpus = 0;
      for (const auto& resource : offer.resources()) {
        cpus += resource.name() == "cpus" ? resource.scalar().value() : 0;
      }
      offers_.push_back({offer.id().value(), offer.agent_id().value(),
                         static_cast<std::uint64_t>(cpus / work_.cpus + 1e-6)});
    }
    use_offers();
  } else if (event.type() == Event::RESCIND) {
    std::erase_if(offers_, [&](const Offer& offer) {
      return offer.id == event.rescind().offer_id().value();
    });
  } else if (event.type() == Event::UPDATE) {
    const auto& status = event.update().status();
    const std::int64_t now = now_nanos();
    if (status.state() == ::mesos::v1::TASK_RUNNING) {
      const auto at = accepted_at_.find(status.task_id().value());
      if (at != accepted_at_.end()) {
        ++running_;
        last_running_ = now;
        to_running_.add(now - at->second);
        accepted_at_.erase(at);
      }
    } else if (status.state() == ::mesos::v1::TASK_FINISHED) {
      ++finished_;
      last_finished_ = now;
    } else if (status.state() != ::mesos::v1::TASK_STARTING) {
      throw std::runtime_error("a task ended as " + ::mesos::v1::TaskState_Name(status.state()) +
                               ": " + status.message());
    }
    if (status.has_uuid()) {
      Call call;
      call.set_type(Call::ACKNOWLEDGE);
      *call.mutable_acknowledge()->mutable_agent_id() = status.agent_id();
      *call.mutable_acknowledge()->mutable_task_id() = status.task_id();
      call.mutable_acknowledge()->set_uuid(status.uuid());
      send(call);
    }
    use_offers();
  } else if (event.type() == Event::ERROR) {
    throw std::runtime_error("the master says: " + event.error().message());
  }
}

void Scheduler::use_offers() {
  while (started_ && !offers_.empty()) {
    if (work_.one_by_one && made_ < work_.tasks && finished_ < made_) {
      return;
    }
    const Offer offer = std::move(offers_.front());
    offers_.pop_front();
    const std::uint64_t tasks = std::min({offer.fit, work_.tasks_per_offer, work_.tasks - made_});
    if (tasks == 0) {
      decline(offer);
    } else {
      accept(offer, tasks);
    }
  }
}

void Scheduler::accept(const Offer& offer, std::uint64_t tasks) {
  Call call;
  call.set_type(Call::ACCEPT);
  auto& accept = *call.mutable_accept();
  accept.add_offer_ids()->set_value(offer.id);
  accept.mutable_filters()->set_refuse_seconds(0);
  auto& operation = *accept.add_operations();
  operation.set_type(::mesos::v1::Offer::Operation::LAUNCH);
  const std::int64_t now = now_nanos();
  first_accept_ = first_accept_ == 0 ? now : first_accept_;
  for (std::uint64_t i = 0; i < tasks; ++i) {
    auto& task = *operation.mutable_launch()->add_task_infos();
    const std::string id = "task-" + std::to_string(++made_);
    task.set_name(id);
    task.mutable_task_id()->set_value(id);
    task.mutable_agent_id()->set_value(offer.agent);
    task.mutable_command()->set_value(work_.command);
    add_resource(task, "cpus", work_.cpus);
    add_resource(task, "mem", work_.mem);
    accepted_at_[id] = now;
  }
  send(call);
  if (made_ == work_.tasks && work_.suppress) {
    Call nothing_more;
    nothing_more.set_type(Call::SUPPRESS);
    send(nothing_more);
  }
}

void Scheduler::decline(const Offer& offer) {
  Call call;
  call.set_type(Call::DECLINE);
  call.mutable_decline()->add_offer_ids()->set_value(offer.id);
  call.mutable_decline()->mutable_filters()->set_refuse_seconds(decline_seconds);
  send(call);
}

void Scheduler::acknowledge_many(std::uint64_t count) {
  Call call;
  call.set_type(Call::ACKNOWLEDGE);
  call.mutable_acknowledge()->mutable_agent_id()->set_value("no-such-agent");
  call.mutable_acknowledge()->mutable_task_id()->set_value("no-such-task");
  call.mutable_acknowledge()->set_uuid(std::string(16, 'u'));
  for (std::uint64_t i = 0; i < count; ++i) {
    send(call);
  }
}

void Scheduler::send(const Call& call) {
  Call named = call;
  named.mutable_framework_id()->set_value(framework_);
  queue_.push_back(named.SerializeAsString());
  pump();
}

void Scheduler::pump() {
  while (!queue_.empty() && (work_.window == 0 || unanswered_ < work_.window)) {
    calls_->post(path, headers_, queue_.front());
    queue_.pop_front();
    ++unanswered_;
  }
}

}  // namespace synod::bench
