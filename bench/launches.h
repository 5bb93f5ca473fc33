// The master's rules without their face, and agents and a framework that do as the launches of
// Mesos' baseline do: every offer is accepted by one call with `tasks` tasks, each of which runs,
// ends and has both updates acknowledged.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "master/core/core.h"
#include "resources/text.h"

namespace synod::bench {

namespace core = master::core;

class Launches {
 public:
  Launches(std::uint64_t agents, std::uint64_t tasks) : tasks_per_offer_(tasks) {
    core::Options options;
    options.master_id = "m";
    core_ = std::make_unique<core::Core>(options);
    send(core::Recovered{});
    core::Subscribe framework;
    framework.stream = core::Stream(1);
    framework.info.failover_timeout = Duration::seconds(60);
    framework.info.bytes = std::string(200, 'i');
    send(framework);
    for (std::uint64_t a = 0; a < agents; ++a) {
      core::AgentSubscribe agent;
      agent.stream = core::Stream(10 + a);
      agent.info.hostname = "host";
      agent.info.ip = "10.0.0.1";
      agent.info.port = static_cast<std::int32_t>(a);
      agent.info.total =
          resources::parse_resources("cpus:24;mem:24000;disk:4096;ports:[31000-32000]").value();
      send(agent);
    }
    task_.add(resources::scalar_resource("cpus", 100));
    task_.add(resources::scalar_resource("mem", 16'000));
  }

  // Returns how many tasks ran.
  std::uint64_t fill_and_drain() {
    now_ = now_ + Duration::seconds(2);
    send(core::Wake{});
    std::vector<core::Offer> offers;
    offers.swap(offers_);
    for (const core::Offer& offer : offers) {
      core::Accept accept;
      accept.framework = framework_;
      accept.offers = {offer.id};
      accept.refuse = Duration();
      core::Operation launch;
      for (std::uint64_t i = 0; i < tasks_per_offer_; ++i) {
        core::TaskSpec task;
        task.id.value = "t" + std::to_string(++tasks_made_);
        task.agent = offer.agent;
        task.resources = task_;
        task.has_command = true;
        task.bytes = std::string(300, 't');
        launch.tasks.push_back(std::move(task));
      }
      accept.operations.push_back(std::move(launch));
      send(std::move(accept));
    }
    std::vector<std::pair<core::Stream, core::AgentId>> launched;
    launched.swap(launched_);
    std::uint64_t number = tasks_made_ - launched.size();
    for (const auto& [stream, agent] : launched) {
      const core::TaskId task{"t" + std::to_string(++number)};
      for (const core::TaskState state : {core::TaskState::running, core::TaskState::finished}) {
        core::AgentUpdate update;
        update.stream = stream;
        update.framework = framework_;
        update.status.task = task;
        update.status.state = state;
        update.status.agent = agent;
        update.status.uuid = uuid_from_words(number, static_cast<std::uint64_t>(state));
        update.status.bytes = std::string(150, 's');
        update.latest_state = state;
        const Uuid uuid = *update.status.uuid;
        send(std::move(update));
        send(core::Acknowledge{framework_, agent, task, uuid});
      }
    }
    return launched.size();
  }

 private:
  void send(core::EventBody body) {
    core::Effects effects;
    core_->step(core::Event{now_, WallTime{now_.millis()}, std::move(body)}, effects);
    bool again = false;
    for (core::Effect& effect : effects) {
      if (const auto* registry = std::get_if<core::ToRegistry>(&effect)) {
        send(core::RegistryDone{registry->operation});
      } else if (const auto* agent = std::get_if<core::ToAgent>(&effect)) {
        if (std::holds_alternative<core::Launch>(agent->body)) {
          launched_.emplace_back(agent->stream, agent->agent);
        }
      } else if (auto* framework = std::get_if<core::ToFramework>(&effect)) {
        if (const auto* subscribed = std::get_if<core::Subscribed>(&framework->body)) {
          framework_ = subscribed->framework;
        } else if (auto* offers = std::get_if<core::Offers>(&framework->body)) {
          for (core::Offer& offer : offers->offers) {
            offers_.push_back(std::move(offer));
          }
        }
      }
      again = again || std::holds_alternative<core::Continue>(effect);
    }
    if (again) {
      send(core::Turn{});
    }
  }

  std::uint64_t tasks_per_offer_;
  std::unique_ptr<core::Core> core_;
  core::FrameworkId framework_;
  core::Resources task_;
  std::vector<core::Offer> offers_;
  std::vector<std::pair<core::Stream, core::AgentId>> launched_;
  std::uint64_t tasks_made_ = 0;
  Instant now_;
};

}  // namespace synod::bench
