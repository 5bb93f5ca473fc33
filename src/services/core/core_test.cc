#include "services/core/core.h"

#include <gtest/gtest.h>

#include <deque>
#include <sstream>

#include "base/prng.h"
#include "test/script/script.h"

namespace synod::services::core {
namespace {

TaskState state_of(const std::string& name) {
  for (TaskState state : {TaskState::staging, TaskState::starting, TaskState::running,
                          TaskState::killing, TaskState::finished, TaskState::failed,
                          TaskState::killed, TaskState::error, TaskState::lost}) {
    if (name == to_string(state)) {
      return state;
    }
  }
  ADD_FAILURE() << "no task state " << name;
  return TaskState::lost;
}

std::vector<PortRange> ports_of(const std::string& text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos) {
    return {};
  }
  return {PortRange{static_cast<std::uint32_t>(std::stoul(text.substr(0, dash))),
                    static_cast<std::uint32_t>(std::stoul(text.substr(dash + 1)))}};
}

// Commands: lead, subscribe, disconnect, put NAME, remove NAME, retry NAME, offers ID@AGENT...,
// rescind ID, update TASK state=, stored N, tick, state. `at=` moves the clock (milliseconds).
class CoreScript : public script::Handler {
 public:
  std::string run(const script::Command& c) override {
    if (c.has("at")) {
      now_ = Instant::from_millis(c.number("at", 0));
    }
    if (c.verb() == "state") {
      return state();
    }
    Effects effects;
    if (c.verb() == "take_over") {
      // A new leader with what the old one stored.
      Core next;
      next.step(Lead{now_, c.text("token", "n"), records()}, effects);
      core_ = next;
    } else {
      core_.step(event(c), effects);
    }
    std::ostringstream out;
    for (const Effect& effect : effects) {
      if (const auto* store = std::get_if<Store>(&effect)) {
        stored_[store->record.app.name] = store->record;
      } else if (const auto* erase = std::get_if<Erase>(&effect)) {
        stored_.erase(erase->name);
      }
      out << effect << "\n";
    }
    EXPECT_EQ(core_.check(), "");
    return out.str();
  }

 private:
  std::vector<Record> records() const {
    std::vector<Record> all;
    for (const auto& [name, record] : stored_) {
      all.push_back(record);
    }
    return all;
  }

  Event event(const script::Command& c) const {
    const std::string& verb = c.verb();
    if (verb == "lead") {
      return Lead{now_, c.text("token", "t"), {}};
    }
    if (verb == "subscribe") {
      return Subscribed{now_};
    }
    if (verb == "disconnect") {
      return Disconnected{now_};
    }
    if (verb == "put") {
      return Put{now_, 7, app(c)};
    }
    if (verb == "remove") {
      return Remove{now_, 8, c.word(0)};
    }
    if (verb == "retry") {
      return Retry{now_, 9, c.word(0)};
    }
    if (verb == "offers") {
      return offers(c);
    }
    if (verb == "rescind") {
      return Rescind{now_, c.word(0)};
    }
    if (verb == "update") {
      return Update{
          now_,           c.word(0),         c.text("agent", "A1"), state_of(c.text("state")),
          c.text("uuid"), c.text("message"), c.text("source")};
    }
    if (verb == "stored") {
      return Stored{now_, static_cast<std::uint64_t>(std::stoll(c.word(0)))};
    }
    EXPECT_EQ(verb, "tick");
    return Tick{now_};
  }

  static App app(const script::Command& c) {
    App app;
    app.name = c.word(0);
    app.command = c.text("command", "sleep 1000");
    app.cpus_milli = c.number("cpus_milli", 100);
    app.mem_milli = c.number("mem_milli", 128'000);
    app.ports = static_cast<std::uint32_t>(c.number("ports", 0));
    app.instances = static_cast<std::uint32_t>(c.number("instances", 1));
    if (c.text("restart") == "never") {
      app.restart = RestartPolicy::never;
    }
    return app;
  }

  Event offers(const script::Command& c) const {
    Offers event{now_, {}};
    for (std::size_t i = 1; i < c.words.size(); ++i) {
      const std::size_t at = c.words[i].find('@');
      Offer offer;
      offer.id = c.words[i].substr(0, at);
      offer.agent_id = c.words[i].substr(at + 1);
      offer.agent_name = "a" + offer.agent_id.substr(1);
      offer.cpus_milli = c.number("cpus_milli", 1000);
      offer.mem_milli = c.number("mem_milli", 1'024'000);
      offer.ports = ports_of(c.text("ports"));
      event.offers.push_back(offer);
    }
    return event;
  }

  std::string state() const {
    std::ostringstream out;
    for (const auto& [name, entry] : core_.apps()) {
      for (const auto& [index, instance] : entry.instances) {
        out << name << "." << index << " " << to_string(instance.phase) << " " << instance.task_id
            << "\n";
      }
    }
    return out.str();
  }

  Core core_;
  Instant now_;
  std::map<std::string, Record> stored_;
};

TEST(ServicesCore, scripts) {
  script::run_scripts(std::string(SYNOD_SOURCE_DIR) + "/testdata",
                      [] { return std::make_unique<CoreScript>(); });
}

// A dumb world: agents that run what they are told, lose things, and a leader that changes. In the
// end, with faults over, exactly what is wanted runs, and never was an instance run twice.
class World {
 public:
  explicit World(std::uint64_t seed) : prng_(seed) {}

  void run() {
    lead();
    App job;
    job.name = "job";
    job.command = "x";
    job.restart = RestartPolicy::never;
    step(Put{now_, 1, job});
    deliver(everything);
    for (int i = 0; i < 400; ++i) {
      now_ = now_ + Duration::millis(prng_.between(1, 400));
      act(prng_.below(13));
      // A leader may end with anything undone.
      deliver(prng_.chance(1, 4) ? prng_.below(4) : everything);
    }
    for (int i = 0; i < 300; ++i) {
      now_ = now_ + Duration::millis(500);
      offer();
      step(Tick{now_});
      tell_again();
      deliver(everything);
      start_all();
    }
    for (const auto& [name, entry] : core_.apps()) {
      std::size_t running = 0;
      for (const auto& [id, task] : tasks_) {
        running += id.starts_with(name + ".") ? 1 : 0;
      }
      const bool over = name == "job" && job_ended_;
      EXPECT_EQ(running, entry.removed || over ? 0 : entry.app.instances) << name;
    }
  }

 private:
  void act(std::uint64_t what) {
    switch (what) {
      case 0: put("web", 1 + prng_.below(4)); break;
      case 1: put("db", 1 + prng_.below(2)); break;
      case 2: step(Remove{now_, 1, prng_.chance(1, 2) ? "web" : "db"}); break;
      case 3: lead(); break;
      case 4:
        step(Disconnected{now_});
        step(Subscribed{now_});
        break;
      case 5: end_one(TaskState::failed); break;
      case 6: end_one(TaskState::lost); break;
      case 7: step(Tick{now_}); break;
      case 8: start_all(); break;
      case 9: end_one(TaskState::finished); break;
      default: offer(); break;
    }
  }

  void put(const std::string& name, std::uint64_t instances) {
    App app;
    app.name = name;
    app.command = "x";
    app.instances = static_cast<std::uint32_t>(instances);
    app.restarts_max = 1'000'000;
    app.backoff_max = Duration::seconds(2);
    step(Put{now_, 1, app});
  }

  void lead() {
    queue_.clear();
    stores_.clear();
    std::vector<Record> all;
    for (const auto& [name, record] : records_) {
      all.push_back(record);
    }
    step(Lead{now_, "t" + std::to_string(++leaders_), all});
    step(Subscribed{now_});
    tell_again();
  }

  // Agents tell of an end until it is acknowledged.
  void tell_again() {
    const auto all = unacknowledged_;
    for (const auto& [id, update] : all) {
      step(Update{now_, id, update.agent_id, update.state, "u", "again", ""});
    }
  }

  void offer() {
    Offers offers{now_, {}};
    for (const char* agent : {"A1", "A2"}) {
      offers.offers.push_back(
          Offer{"o" + std::to_string(++offers_), agent, agent, 1000, 1'024'000, 0, {}});
    }
    step(offers);
  }

  void start_all() {
    const auto tasks = tasks_;
    for (const auto& [id, agent] : tasks) {
      step(Update{now_, id, agent, TaskState::running, "u", "", ""});
    }
  }

  void end_one(TaskState state) {
    if (!tasks_.empty()) {
      auto it = tasks_.begin();
      std::advance(it, static_cast<long>(prng_.below(tasks_.size())));
      const auto [id, agent] = *it;
      tasks_.erase(it);
      const Update update{now_, id, agent, state, "u", "by the world", ""};
      unacknowledged_[id] = update;
      job_ended_ = job_ended_ || (id.starts_with("job.") && state != TaskState::lost);
      step(update);
    }
  }

  void step(const Event& event) {
    Effects effects;
    core_.step(event, effects);
    ASSERT_EQ(core_.check(), "");
    for (Effect& effect : effects) {
      queue_.push_back(std::move(effect));
    }
  }

  // In order, but for records: those take a way, and a time, of their own.
  void deliver(std::size_t most) {
    for (std::size_t i = 0; i < most && !(queue_.empty() && stores_.empty()); ++i) {
      std::deque<Effect>& from =
          queue_.empty() || (!stores_.empty() && prng_.chance(1, 3)) ? stores_ : queue_;
      const Effect effect = std::move(from.front());
      from.pop_front();
      if (&from == &stores_) {
        record(effect);
      } else {
        perform(effect);
      }
    }
  }

  void record(const Effect& effect) {
    if (const auto* store = std::get_if<Store>(&effect)) {
      records_[store->record.app.name] = store->record;
      step(Stored{now_, store->serial});
    } else if (const auto* erase = std::get_if<Erase>(&effect)) {
      records_.erase(erase->name);
      step(Stored{now_, erase->serial});
    }
  }

  void perform(const Effect& effect) {
    if (std::holds_alternative<Store>(effect) || std::holds_alternative<Erase>(effect)) {
      stores_.push_back(effect);
    } else if (const auto* accept = std::get_if<Accept>(&effect)) {
      for (const TaskLaunch& task : accept->tasks) {
        EXPECT_FALSE(task.name == "job.1" && job_ended_) << "a single run is run again";
        const std::string name = task.name + ".";
        for (const auto& [id, agent] : tasks_) {
          EXPECT_FALSE(id.starts_with(name)) << task.task_id << " is a second one of " << id;
        }
        tasks_[task.task_id] = accept->agent_id;
      }
    } else if (const auto* told = std::get_if<Acknowledge>(&effect)) {
      unacknowledged_.erase(told->task_id);
    } else if (const auto* kill = std::get_if<Kill>(&effect)) {
      const bool ran = tasks_.erase(kill->task_id) != 0;
      step(Update{now_, kill->task_id, kill->agent_id, ran ? TaskState::killed : TaskState::lost,
                  ran ? "u" : "", "", ""});
    } else if (const auto* reconcile = std::get_if<Reconcile>(&effect)) {
      answer(*reconcile);
    }
  }

  void answer(const Reconcile& reconcile) {
    if (reconcile.tasks.empty()) {
      start_all();
    }
    for (const auto& [id, agent] : reconcile.tasks) {
      // What has ended and is not acknowledged the master still knows.
      const auto ended = unacknowledged_.find(id);
      const TaskState gone = ended == unacknowledged_.end() ? TaskState::lost : ended->second.state;
      step(Update{now_, id, agent, tasks_.count(id) != 0 ? TaskState::running : gone, "", "", ""});
    }
  }

  static constexpr std::size_t everything = 1'000'000;

  Prng prng_;
  Core core_;
  Instant now_ = Instant::from_millis(1);
  std::deque<Effect> queue_;
  std::deque<Effect> stores_;  // on their way to the records
  std::map<std::string, Record> records_;
  std::map<std::string, std::string> tasks_;      // what really runs: task -> agent
  std::map<std::string, Update> unacknowledged_;  // ends, by task
  bool job_ended_ = false;                        // the single run has been
  std::uint64_t offers_ = 0;
  std::uint64_t leaders_ = 0;
};

TEST(ServicesCore, any_history_ends_with_what_is_wanted_and_never_runs_one_twice) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World(seed).run();
    if (HasFailure()) {
      return;
    }
  }
}

TEST(ServicesCore, what_cannot_be_run_is_refused_in_words) {
  App app;
  app.name = "web";
  app.command = "x";
  EXPECT_EQ(validate(app), std::nullopt);
  app.name = "Web!";
  EXPECT_NE(validate(app), std::nullopt);
  app.name = "web";
  app.argv = {"y"};
  EXPECT_NE(validate(app), std::nullopt);
  app.argv.clear();
  app.cpus_milli = 0;
  EXPECT_EQ(*validate(app), "cpus must be more than 0");
}

}  // namespace
}  // namespace synod::services::core
