// Random events against a dumb model that believes the effects alone: what was offered and not
// taken back, what was launched and has not ended. Whatever happens, per agent that never exceeds
// its total; REGISTERED follows the registry; nothing is said on a stream that is closed.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/prng.h"
#include "master/core/core.h"

namespace synod::master::core {
namespace {

constexpr std::uint64_t players = 4;  // frameworks as well as agents

Resources amount(Milli cpus, Milli mem) {
  Resources made;
  made.add(resources::scalar_resource("cpus", cpus));
  made.add(resources::scalar_resource("mem", mem));
  return made;
}

class Model {
 public:
  explicit Model(std::uint64_t seed) : prng_(seed) {
    Options options;
    options.master_id = "m";
    options.agent_ping_timeout = Duration::millis(200);
    options.agent_ping_timeouts_max = 3;
    options.agent_reregister_timeout = Duration::seconds(3);
    if (prng_.chance(1, 3)) {
      options.offer_timeout = Duration::millis(700);
    }
    if (prng_.chance(1, 4)) {
      options.allocator.mode = allocator::Mode::interval;
    }
    core_ = std::make_unique<Core>(options);
    Recovered recovered;
    recovered.registry.admitted.push_back({{"old"}, "host9", "10.0.0.9", 1, ""});
    send(recovered);
  }

  const Counters& counters() const { return core_->counters(); }

  // Empty if all is well.
  std::string play(int steps) {
    for (int i = 0; i < steps && broken_.empty(); ++i) {
      act();
      const std::string broken = core_->check();
      if (broken_.empty()) {
        broken_ = broken;
      }
      if (i % 16 == 0) {
        (void)core_->view();
      }
    }
    return broken_;
  }

 private:
  struct FrameworkPlayer {
    FrameworkId id;
    Stream stream;
    std::set<OfferId> offers;
  };
  struct AgentPlayer {
    AgentId id;
    Stream stream;
    bool registered = false;
    Resources total = amount(4'000, 4'096'000);
    // What really runs there: (framework, task) -> amount.
    std::map<std::pair<FrameworkId, TaskId>, Resources> tasks;
  };
  struct Given {
    AgentId agent;
    Resources amount;
  };

  void act() {
    FrameworkPlayer& framework = frameworks_[prng_.below(players)];
    AgentPlayer& agent = agents_[prng_.below(players)];
    switch (prng_.below(14)) {
      case 0:
        if (framework.stream == Stream() || prng_.chance(1, 10)) {
          subscribe(framework);
        }
        break;
      case 1:
        if (agent.stream == Stream() || prng_.chance(1, 10)) {
          subscribe(agent);
        }
        break;
      case 2:
        if (prng_.chance(1, 8)) {
          hang_up(framework);
        }
        break;
      case 3:
        if (prng_.chance(1, 8)) {
          hang_up(agent);
        }
        break;
      case 4: decline(framework); break;
      case 5:
      case 6:
      case 7: accept(framework); break;
      case 8: update(agent); break;
      case 9: answer_registry(); break;
      case 10: wait(Duration::millis(prng_.between(0, 500))); break;
      case 11:
        send(Kill{framework.id, {"t" + std::to_string(prng_.below(tasks_made_ + 1))}, {}, ""});
        break;
      case 12: odd_call(framework, agent); break;
      default: send(AgentPong{agent.stream, 1}); break;
    }
  }

  void odd_call(FrameworkPlayer& framework, AgentPlayer& agent) {
    switch (prng_.below(8)) {
      case 0: send(Suppress{framework.id, {}}); break;
      case 1: send(Revive{framework.id, {}}); break;
      case 2: send(Reconcile{framework.id, {}}); break;
      case 3: send(Reconcile{framework.id, {{{"t1"}, agent.id}, {{"t2"}, {}}}}); break;
      case 4: send(AgentAcceptsTasks{agent.stream, prng_.chance(2, 3), "full"}); break;
      case 5:
        if (prng_.chance(1, 4)) {
          send(AgentGoodbye{agent.stream, "bye"});
        }
        break;
      case 6:
        if (prng_.chance(1, 4)) {
          send(Teardown{framework.id});
        }
        break;
      default:
        if (prng_.chance(1, 8)) {
          send(MarkAgentGone{agent.id});
          agent.id = AgentId();  // it will be told, and come back as a new one
          agent.tasks.clear();
        }
        break;
    }
  }

  void subscribe(FrameworkPlayer& framework) {
    Subscribe event;
    framework.stream = event.stream = Stream(++streams_made_);
    framework.offers.clear();
    event.id = framework.id;
    event.info.name = "f";
    event.info.failover_timeout = Duration::millis(prng_.chance(1, 3) ? 0 : 1500);
    event.info.capabilities.partition_aware = prng_.chance(1, 2);
    send(event);
  }

  void subscribe(AgentPlayer& agent) {
    if (agent.stream != Stream()) {
      closed_.insert(agent.stream);
    }
    AgentSubscribe event;
    agent.stream = event.stream = Stream(++streams_made_);
    agent.registered = false;
    event.id = agent.id;
    const auto number = std::to_string(&agent - agents_.data());
    event.info.hostname = "host" + number;
    event.info.ip = "10.0.0." + number;
    event.info.total = agent.total;
    for (const auto& [key, held] : agent.tasks) {
      ReportedTask task;
      task.framework = key.first;
      task.id = key.second;
      task.resources = held;
      event.tasks.push_back(task);
      event.frameworks.push_back({key.first, {}});
    }
    send(event);
  }

  void hang_up(FrameworkPlayer& framework) {
    closed_.insert(framework.stream);
    framework.offers.clear();
    send(StreamClosed{std::exchange(framework.stream, Stream())});
  }

  void hang_up(AgentPlayer& agent) {
    closed_.insert(agent.stream);
    agent.registered = false;
    send(StreamClosed{std::exchange(agent.stream, Stream())});
  }

  void decline(FrameworkPlayer& framework) {
    if (framework.offers.empty()) {
      return;
    }
    const OfferId offer = *framework.offers.begin();
    framework.offers.erase(offer);
    offered_.erase(offer);
    send(Decline{framework.id, {offer}, Duration::millis(prng_.between(-1, 3000))});
  }

  void accept(FrameworkPlayer& framework) {
    if (framework.offers.empty()) {
      return;
    }
    Accept event;
    event.framework = framework.id;
    const AgentId where = offered_.at(*framework.offers.begin()).agent;
    for (const OfferId& offer : framework.offers) {
      if (offered_.at(offer).agent == where && prng_.chance(3, 4)) {
        event.offers.push_back(offer);
      }
    }
    if (event.offers.empty() || prng_.chance(1, 20)) {
      event.offers.push_back({"m-O99999"});
    }
    Operation launch;
    const std::uint64_t count = prng_.below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
      TaskSpec task;
      task.id.value =
          "t" + std::to_string(prng_.chance(1, 10) ? prng_.below(tasks_made_ + 1) : ++tasks_made_);
      task.agent = where;
      task.resources = amount(prng_.between(0, 1'300), prng_.between(0, 1'300'000));
      task.has_command = true;
      launch.tasks.push_back(task);
    }
    event.operations.push_back(launch);
    for (const OfferId& offer : event.offers) {
      framework.offers.erase(offer);
      offered_.erase(offer);
    }
    event.refuse = Duration::millis(prng_.between(0, 2000));
    send(event);
  }

  void update(AgentPlayer& agent) {
    if (agent.tasks.empty() || !agent.registered) {
      return;
    }
    auto it = agent.tasks.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(prng_.below(agent.tasks.size())));
    AgentUpdate event;
    event.stream = agent.stream;
    event.framework = it->first.first;
    event.status.task = it->first.second;
    event.status.state = prng_.chance(1, 2) ? TaskState::running : TaskState::finished;
    event.status.agent = agent.id;
    event.status.uuid = uuid_from_words(prng_.next(), prng_.next());
    event.latest_state = event.status.state;
    if (event.status.state == TaskState::finished) {
      agent.tasks.erase(it);
    }
    const AgentUpdate sent = event;
    send(event);
    if (prng_.chance(3, 4)) {
      send(Acknowledge{sent.framework, agent.id, sent.status.task, *sent.status.uuid});
    }
  }

  void answer_registry() {
    if (operations_.empty()) {
      return;
    }
    auto it = operations_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(prng_.below(operations_.size())));
    const OperationKey operation = it->first;
    if (prng_.chance(1, 8)) {
      operations_.erase(it);
      send(RegistryFailed{operation, "unlucky"});
      return;
    }
    if (!it->second.empty()) {
      admitted_.insert(it->second);
    }
    operations_.erase(it);
    send(RegistryDone{operation});
  }

  void wait(Duration time) {
    const Instant end = now_ + time;
    while (wake_ <= end) {
      now_ = std::max(now_, wake_);
      wake_ = Instant::max();
      send(Wake{});
    }
    now_ = end;
  }

  void send(EventBody body) {
    Effects effects;
    core_->step(Event{now_, WallTime{now_.millis()}, std::move(body)}, effects);
    bool again = false;
    for (const Effect& effect : effects) {
      if (const auto* to_framework = std::get_if<ToFramework>(&effect)) {
        hear(*to_framework);
      } else if (const auto* to_agent = std::get_if<ToAgent>(&effect)) {
        hear(*to_agent);
      } else if (const auto* registry = std::get_if<ToRegistry>(&effect)) {
        AgentId admits;
        if (const auto* admit = std::get_if<AdmitAgent>(&registry->body)) {
          admits = admit->agent.id;
        } else if (const auto* reachable = std::get_if<MarkReachable>(&registry->body)) {
          admits = reachable->agent.id;
        }
        operations_[registry->operation] = admits;
      } else if (const auto* close = std::get_if<CloseStream>(&effect)) {
        close_stream(close->stream);
      } else if (const auto* wake = std::get_if<WakeAt>(&effect)) {
        wake_ = wake->at;
      } else {
        again = again || std::holds_alternative<Continue>(effect);
      }
    }
    forget_lost_offers();
    check_sums();
    if (again && broken_.empty()) {
      send(Turn{});
    }
  }

  void close_stream(Stream stream) {
    closed_.insert(stream);
    for (FrameworkPlayer& framework : frameworks_) {
      if (framework.stream == stream) {
        framework.stream = Stream();
        framework.id = FrameworkId();  // it was refused or torn down: starts anew
        framework.offers.clear();
      }
    }
    for (AgentPlayer& agent : agents_) {
      if (agent.stream == stream) {
        agent.stream = Stream();
        agent.registered = false;
      }
    }
  }

  void hear(const ToFramework& effect) {
    if (closed_.contains(effect.stream)) {
      broken_ = "said to a framework whose stream is closed";
    }
    for (FrameworkPlayer& framework : frameworks_) {
      if (framework.stream != effect.stream) {
        continue;
      }
      if (const auto* subscribed = std::get_if<Subscribed>(&effect.body)) {
        framework.id = subscribed->framework;
      } else if (const auto* offers = std::get_if<Offers>(&effect.body)) {
        for (const Offer& offer : offers->offers) {
          framework.offers.insert(offer.id);
          offered_[offer.id] = {offer.agent, offer.resources};
        }
      } else if (const auto* rescind = std::get_if<Rescind>(&effect.body)) {
        framework.offers.erase(rescind->offer);
      }
    }
  }

  void hear(const ToAgent& effect) {
    if (closed_.contains(effect.stream)) {
      broken_ = "said to an agent whose stream is closed";
    }
    for (AgentPlayer& agent : agents_) {
      if (agent.stream != effect.stream) {
        continue;
      }
      if (const auto* registered = std::get_if<Registered>(&effect.body)) {
        agent.id = registered->agent;
        agent.registered = true;
        if (!admitted_.contains(agent.id)) {
          broken_ = "told registered before the registry: " + agent.id.value;
        }
      } else if (const auto* launch = std::get_if<Launch>(&effect.body)) {
        if (!agent.tasks
                 .emplace(std::pair(launch->framework, launch->task.id), launch->task.resources)
                 .second) {
          broken_ = "launched twice: " + launch->task.id.value;
        }
      } else if (const auto* shutdown = std::get_if<Shutdown>(&effect.body)) {
        std::erase_if(agent.tasks, [&](const auto& task) {
          return shutdown->framework.empty() || task.first.first == shutdown->framework;
        });
      }
    }
  }

  // Offers that no framework holds any more need no RESCIND.
  void forget_lost_offers() {
    std::erase_if(offered_, [&](const auto& entry) {
      return std::none_of(frameworks_.begin(), frameworks_.end(),
                          [&](const FrameworkPlayer& f) { return f.offers.contains(entry.first); });
    });
  }

  void check_sums() {
    for (const AgentPlayer& agent : agents_) {
      Resources sum;
      for (const auto& [key, held] : agent.tasks) {
        sum.add(held);
      }
      for (const auto& [id, given] : offered_) {
        if (given.agent == agent.id) {
          sum.add(given.amount);
        }
      }
      if (!agent.id.empty() && !agent.total.contains(sum) && broken_.empty()) {
        broken_ = "agent " + agent.id.value + " has " + to_string(agent.total) +
                  ", given out are " + to_string(sum);
      }
    }
  }

  Prng prng_;
  std::unique_ptr<Core> core_;
  std::array<FrameworkPlayer, players> frameworks_;
  std::array<AgentPlayer, players> agents_;
  std::map<OfferId, Given> offered_;
  std::map<OperationKey, AgentId> operations_;
  std::set<AgentId> admitted_;
  std::set<Stream> closed_;
  std::uint64_t streams_made_ = 0;
  std::uint64_t tasks_made_ = 0;
  std::string broken_;
  Instant now_;
  Instant wake_ = Instant::max();
};

TEST(MasterCore, never_gives_out_more_than_there_is) {
  Counters sum;
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    Model model(seed);
    ASSERT_EQ(model.play(600), "") << "seed " << seed;
    sum.offers_made += model.counters().offers_made;
    sum.offers_rescinded += model.counters().offers_rescinded;
    sum.tasks_launched += model.counters().tasks_launched;
    sum.agents_unreachable += model.counters().agents_unreachable;
    sum.agents_reregistered += model.counters().agents_reregistered;
  }
  // The test is worth something only if all this happened, and often.
  EXPECT_GT(sum.offers_made, 300u);
  EXPECT_GT(sum.offers_rescinded, 30u);
  EXPECT_GT(sum.tasks_launched, 150u);
  EXPECT_GT(sum.agents_unreachable, 5u);
  EXPECT_GT(sum.agents_reregistered, 30u);
}

}  // namespace
}  // namespace synod::master::core
