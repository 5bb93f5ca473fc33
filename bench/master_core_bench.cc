// The master's rules without their face: the launches of Mesos' baseline (reference:
// mesos-baseline.md), where the whole master does 815 to 1,451 tasks a second.
//
// One iteration: every offer is accepted by one call with `tasks` tasks, each of which runs, ends
// and has both updates acknowledged. items_per_second is tasks.
#include <benchmark/benchmark.h>

#include "master/core/core.h"

namespace synod::master::core {
namespace {

class Cluster {
 public:
  Cluster(std::uint64_t agents, std::uint64_t tasks) : tasks_per_offer_(tasks) {
    Options options;
    options.master_id = "m";
    core_ = std::make_unique<Core>(options);
    send(Recovered{});
    Subscribe framework;
    framework.stream = Stream(1);
    framework.info.failover_timeout = Duration::seconds(60);
    framework.info.bytes = std::string(200, 'i');
    send(framework);
    for (std::uint64_t a = 0; a < agents; ++a) {
      AgentSubscribe agent;
      agent.stream = Stream(10 + a);
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
    send(Wake{});
    std::vector<Offer> offers;
    offers.swap(offers_);
    for (const Offer& offer : offers) {
      Accept accept;
      accept.framework = framework_;
      accept.offers = {offer.id};
      accept.refuse = Duration();
      Operation launch;
      for (std::uint64_t i = 0; i < tasks_per_offer_; ++i) {
        TaskSpec task;
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
    std::vector<std::pair<Stream, AgentId>> launched;
    launched.swap(launched_);
    std::uint64_t number = tasks_made_ - launched.size();
    for (const auto& [stream, agent] : launched) {
      const TaskId task{"t" + std::to_string(++number)};
      for (const TaskState state : {TaskState::running, TaskState::finished}) {
        AgentUpdate update;
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
        send(Acknowledge{framework_, agent, task, uuid});
      }
    }
    return launched.size();
  }

 private:
  void send(EventBody body) {
    Effects effects;
    core_->step(Event{now_, WallTime{now_.millis()}, std::move(body)}, effects);
    bool again = false;
    for (Effect& effect : effects) {
      if (const auto* registry = std::get_if<ToRegistry>(&effect)) {
        send(RegistryDone{registry->operation});
      } else if (const auto* agent = std::get_if<ToAgent>(&effect)) {
        if (std::holds_alternative<Launch>(agent->body)) {
          launched_.emplace_back(agent->stream, agent->agent);
        }
      } else if (auto* framework = std::get_if<ToFramework>(&effect)) {
        if (const auto* subscribed = std::get_if<Subscribed>(&framework->body)) {
          framework_ = subscribed->framework;
        } else if (auto* offers = std::get_if<Offers>(&framework->body)) {
          for (Offer& offer : offers->offers) {
            offers_.push_back(std::move(offer));
          }
        }
      }
      again = again || std::holds_alternative<Continue>(effect);
    }
    if (again) {
      send(Turn{});
    }
  }

  std::uint64_t tasks_per_offer_;
  std::unique_ptr<Core> core_;
  FrameworkId framework_;
  Resources task_;
  std::vector<Offer> offers_;
  std::vector<std::pair<Stream, AgentId>> launched_;
  std::uint64_t tasks_made_ = 0;
  Instant now_;
};

void launches(benchmark::State& state) {
  Cluster cluster(static_cast<std::uint64_t>(state.range(0)),
                  static_cast<std::uint64_t>(state.range(1)));
  std::uint64_t tasks = 0;
  for (auto _ : state) {
    tasks += cluster.fill_and_drain();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(tasks));
}

BENCHMARK(launches)
    ->Unit(benchmark::kMillisecond)
    ->ArgNames({"agents", "tasks"})
    ->Args({100, 100})
    ->Args({1'000, 50})
    ->Args({10'000, 5});

}  // namespace
}  // namespace synod::master::core
