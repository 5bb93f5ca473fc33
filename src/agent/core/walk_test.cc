// A random world around one agent core: executors that keep true books, a framework that
// acknowledges when it likes, a journal that flushes late, crashes anywhere. What must hold is
// checked from outside: by what the framework heard and the executors were told.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "agent/core/core.h"

namespace synod::agent::core {
namespace {

constexpr int steps = 1500;
constexpr int tasks_max = 40;

// One command executor. It outlives the agent once it was released.
struct Process {
  ExecutorKey key;
  ContainerId container;
  ProcessRef process;
  bool released = false;
  bool ended = false;
  bool connected = false;
  bool has_task = false;
  bool task_acknowledged = false;
  int said = 0;  // 1 STARTING, 2 RUNNING, 3 the end
  std::vector<Update> unacknowledged;
  std::optional<Update> last;  // synced before it is told
};

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : prng_(seed) { begin(); }

  void run() {
    for (int i = 0; i < steps && ok(); ++i) {
      act();
    }
    heal();
  }

  bool ok() const { return !testing::Test::HasFailure(); }

 private:
  void begin() {
    Options options;
    options.seed = prng_.next();
    core_ = std::make_unique<Core>(options);
    for (const Bytes& bytes : journal_) {
      ASSERT_TRUE(core_->replay(*decode_record(bytes)).ok());
    }
    flushed_ = journal_.size();
    spawns_.clear();
    registered_ = false;
    RecoveryChecked checked{"b1", {}};
    for (const auto& [id, process] : core_->unfinished_containers()) {
      ContainerFound found{id, false, {}, std::nullopt};
      const auto it = processes_.find(id);
      if (it != processes_.end()) {
        it->second.connected = false;
        found.alive = it->second.released && !it->second.ended && process.has_value();
        if (!found.alive && it->second.last) {
          found.exit = TaskExit{it->second.key.executor, *it->second.last, {}};
        }
      }
      if (!found.alive) {
        processes_.erase(id);
      }
      checked.found.push_back(found);
    }
    step(checked);
  }

  void act() {
    now_ = now_ + Duration::millis(static_cast<std::int64_t>(prng_.below(400)));
    switch (prng_.below(12)) {
      case 0: return launch();
      case 1:
      case 2: return flush();
      case 3: return spawned();
      case 4:
      case 5:
      case 6: return executor_acts();
      case 7:
      case 8: return framework_acknowledges();
      case 9: return link_acts();
      case 10: return step(Tick{});
      default:
        if (prng_.chance(1, 4)) {
          return crash();
        }
        return kill();
    }
  }

  void launch() {
    if (!registered_ || launched_ >= tasks_max) {
      return;
    }
    const std::string name = "t" + std::to_string(launched_++);
    Launch launch;
    launch.framework = Framework{"f", "", true};
    launch.executor.key = ExecutorKey{"f", name};
    launch.tasks = {TaskSpec{TaskKey{"f", name}, "", Duration::seconds(3)}};
    say(launch);
  }

  void flush() {
    if (flushed_ < journal_.size()) {
      flushed_ += 1 + prng_.below(journal_.size() - flushed_);
      step(Durable{JournalSeq(flushed_)});
    }
  }

  void spawned() {
    if (spawns_.empty()) {
      return;
    }
    const Spawn spawn = spawns_.back();
    spawns_.pop_back();
    if (prng_.chance(1, 8)) {
      return step(SpawnFailed{spawn.container, Reason::container_launch_failed, "no"});
    }
    Process process;
    process.key = spawn.executor.key;
    process.container = spawn.container;
    process.process = ProcessRef{++pids_, 1, "b1"};
    processes_[spawn.container] = process;
    step(Spawned{spawn.container, process.process});
  }

  void executor_acts() {
    if (processes_.empty()) {
      return;
    }
    auto it = processes_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(prng_.below(processes_.size())));
    Process& process = it->second;
    if (process.ended) {
      return gone(process.container);
    }
    if (!process.released) {
      return;
    }
    if (!process.connected) {
      ExecutorSubscribed event{process.key, {}, {}};
      if (process.has_task && !process.task_acknowledged) {
        event.unacknowledged_tasks = {process.key.executor};
      }
      for (const Update& update : process.unacknowledged) {
        event.unacknowledged_updates.emplace_back(TaskKey{"f", process.key.executor}, update);
      }
      return step(event);
    }
    if (prng_.chance(1, 12)) {
      process.connected = false;
      return step(ExecutorDisconnected{process.key});
    }
    if (process.has_task && process.said < 3) {
      return say_next(process);
    }
    if (process.said == 3 && process.unacknowledged.empty()) {
      process.ended = true;
    } else if (process.said == 3 && prng_.chance(1, 10)) {
      process.ended = true;  // killed by a stranger after it synced its end
    }
  }

  void say_next(Process& process) {
    ++process.said;
    Update update;
    update.uuid = uuid_from_words(prng_.next(), prng_.next());
    update.state = process.said == 1   ? TaskState::starting
                   : process.said == 2 ? TaskState::running
                                       : TaskState::finished;
    update.source = Source::executor;
    if (process.said == 3) {
      process.last = update;
    }
    process.unacknowledged.push_back(update);
    step(ExecutorUpdated{process.key, TaskKey{"f", process.key.executor}, update});
  }

  void gone(const ContainerId& container) {
    ContainerGone event{container, WaitStatus{0, std::nullopt}, std::nullopt};
    const Process& process = processes_.at(container);
    if (process.last) {
      event.exit = TaskExit{process.key.executor, *process.last, {}};
    }
    processes_.erase(container);
    step(event);
  }

  void framework_acknowledges() {
    if (!registered_ || heard_.empty()) {
      return;
    }
    auto it = heard_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(prng_.below(heard_.size())));
    // Any of its past: a late acknowledgement must do no harm.
    const auto& updates = it->second;
    const Update& update =
        updates[prng_.chance(3, 4) ? updates.size() - 1 : prng_.below(updates.size())];
    say(Acknowledge{it->first, update.uuid});
  }

  void link_acts() {
    if (registered_ && prng_.chance(1, 3)) {
      registered_ = false;
      return step(MasterLost{"cut", true});
    }
    if (!registered_) {
      now_ = now_ + Duration::seconds(20);
      step(MasterDetected{});
      now_ = now_ + Duration::seconds(2);
      step(Tick{});
      registered_ = true;
      say(Registered{"a1", Duration()});
      step(Durable{JournalSeq(flushed_ = journal_.size())});
    }
  }

  void kill() {
    if (registered_ && launched_ > 0) {
      say(Kill{
          TaskKey{"f", "t" + std::to_string(prng_.below(static_cast<std::uint64_t>(launched_)))},
          std::nullopt});
    }
  }

  void crash() {
    // The disk may have kept more than was told.
    const std::size_t keep = flushed_ + prng_.below(journal_.size() - flushed_ + 1);
    journal_.resize(keep);
    for (auto it = processes_.begin(); it != processes_.end();) {
      it = it->second.released ? std::next(it) : processes_.erase(it);
    }
    begin();
  }

  void say(Command command) {
    step(MasterSaid{MasterIdentity{Uuid{}, MasterEpoch(1)}, std::move(command)});
  }

  void step(EventBody body) {
    Effects effects;
    core_->step(Event{now_, WallTime{}, std::move(body)}, effects);
    for (const Effect& effect : effects) {
      perform(effect);
    }
    ASSERT_EQ(core_->check(), "");
  }

  void perform(const Effect& effect) {
    if (const auto* persist = std::get_if<Persist>(&effect)) {
      ASSERT_EQ(persist->seq.value(), journal_.size() + 1);
      journal_.push_back(encode(persist->record));
    } else if (const auto* spawn = std::get_if<Spawn>(&effect)) {
      spawns_.push_back(*spawn);
    } else if (const auto* release = std::get_if<Release>(&effect)) {
      processes_.at(release->container).released = true;
    } else if (const auto* destroy = std::get_if<Destroy>(&effect)) {
      if (const auto it = processes_.find(destroy->container); it != processes_.end()) {
        it->second.ended = true;
        it->second.connected = false;
      }
    } else if (const auto* to_executor = std::get_if<ToExecutor>(&effect)) {
      tell(*to_executor);
    } else if (const auto* to_master = std::get_if<ToMaster>(&effect)) {
      if (const auto* update = std::get_if<ForwardUpdate>(&to_master->body)) {
        hear(*update);
      }
    }
  }

  void tell(const ToExecutor& effect) {
    for (auto& [id, process] : processes_) {
      if (process.key != effect.executor || process.ended) {
        continue;
      }
      if (std::holds_alternative<ExecutorAccepted>(effect.body)) {
        process.connected = true;
      } else if (std::holds_alternative<LaunchTask>(effect.body)) {
        ASSERT_TRUE(process.connected);
        ASSERT_TRUE(started_.insert(process.key.executor).second || process.has_task)
            << process.key << " was started twice";
        process.has_task = true;
      } else if (const auto* done = std::get_if<AcknowledgeUpdate>(&effect.body)) {
        // What an executor may forget is on disk.
        ASSERT_TRUE(is_flushed(done->uuid)) << process.key;
        process.task_acknowledged = true;
        std::erase_if(process.unacknowledged,
                      [&](const Update& update) { return update.uuid == done->uuid; });
      } else if (std::holds_alternative<KillTask>(effect.body)) {
        process.said = process.has_task && process.said < 2 ? 2 : process.said;
      }
    }
  }

  bool is_flushed(const Uuid& uuid) const {
    for (std::size_t i = 0; i < flushed_; ++i) {
      const auto record = decode_record(journal_[i]);
      const auto* taken = std::get_if<UpdateTaken>(&*record);
      if (taken != nullptr && taken->update.uuid == uuid) {
        return true;
      }
    }
    // Repeated after its task had ended in the books: nothing depends on it.
    return !known_to_journal(uuid);
  }

  bool known_to_journal(const Uuid& uuid) const {
    for (const Bytes& bytes : journal_) {
      const auto record = decode_record(bytes);
      const auto* taken = std::get_if<UpdateTaken>(&*record);
      if (taken != nullptr && taken->update.uuid == uuid) {
        return true;
      }
    }
    return false;
  }

  // In order, nothing after the end, and repeats only of the newest.
  void hear(const ForwardUpdate& update) {
    auto& updates = heard_[update.task];
    for (std::size_t i = 0; i < updates.size(); ++i) {
      if (updates[i].uuid == update.update.uuid) {
        ASSERT_EQ(i + 1, updates.size()) << update.task << " heard an old update again";
        return;
      }
    }
    ASSERT_TRUE(updates.empty() || !is_terminal(updates.back().state))
        << update.task << " heard of more after its end";
    updates.push_back(update.update);
  }

  // Nothing fails any more: everything must come to its end.
  void heal() {
    for (int i = 0; i < 4000 && ok(); ++i) {
      now_ = now_ + Duration::millis(300);
      flush();
      spawned();
      executor_acts();
      if (!registered_) {
        link_acts();
      }
      for (const auto& [task, updates] : heard_) {
        if (core_->tasks().count(task) != 0) {
          say(Acknowledge{task, updates.back().uuid});
        }
      }
      step(Tick{});
      if (core_->tasks().empty() && core_->executors().empty()) {
        break;
      }
    }
    std::ostringstream left;
    for (const auto& [key, executor] : core_->executors()) {
      left << key << ' ' << to_string(executor.state) << '\n';
    }
    for (const auto& [key, task] : core_->tasks()) {
      left << key << ' ' << to_string(task.state) << " updates=" << task.updates.size() << '\n';
    }
    EXPECT_EQ(left.str(), "");
    for (const auto& [task, updates] : heard_) {
      EXPECT_TRUE(is_terminal(updates.back().state)) << task;
    }
  }

  Prng prng_;
  std::unique_ptr<Core> core_;
  std::vector<Bytes> journal_;
  std::size_t flushed_ = 0;
  std::vector<Spawn> spawns_;
  std::map<ContainerId, Process> processes_;
  std::map<TaskKey, std::vector<Update>> heard_;
  std::set<std::string> started_;
  std::int64_t pids_ = 100;
  int launched_ = 0;
  bool registered_ = false;
  Instant now_;
};

TEST(AgentCore, keeps_its_promises_whatever_happens_around_it) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk(seed);
    walk.run();
    if (!walk.ok()) {
      break;
    }
  }
}

}  // namespace
}  // namespace synod::agent::core
