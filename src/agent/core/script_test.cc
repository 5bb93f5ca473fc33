// Runs testdata/*.txt against one core, its journal and its restarts.
//
// Verbs (fw is always f1 unless framework= is given):
//   recover [boot=b1] [alive=e1,e2] [exit=t1:TASK_FINISHED:message]   the first event of a life
//   detect | lose [gone]              a leading master is known; the connection broke
//   at ms=N | tick                    sets the time; sets it to next_wake() and ticks
//   registered [id=a1]   from=EPOCH or LINEAGE.EPOCH with every master's word
//   launch TASK [executor=e custom] [aware]    kill TASK [grace=ms]    ack TASK uN
//   reconcile t1,t2    ping    shutdown-executor e    shutdown-framework    shutdown
//   update-framework                  the framework subscribed (again) at the master
//   durable [upto=N]                  the journal is flushed (so far)
//   spawned e [pid=N] | spawn-failed e | gone e [code=|signal=] [exit=...]
//   subscribe e [tasks=t1,t2] [updates=t1:TASK_RUNNING:u1,...] | update e TASK STATE uN | break e
//   pressure [reason] | stop
//   crash [keep=N]                    a new core replays the first N records (default: all durable)
//   state                             executors and tasks, one line each
#include "test/script/script.h"

#include <gtest/gtest.h>

#include <sstream>

#include "agent/core/core.h"

namespace synod::agent::core {
namespace {

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, by);) {
    parts.push_back(part);
  }
  return parts;
}

Uuid named_uuid(const std::string& name) {
  return uuid_from_words(std::stoull(name.substr(1)) << 32, 0);
}

TaskState state_of(const std::string& name) {
  for (int i = 0; i <= 13; ++i) {
    if (name == to_string(static_cast<TaskState>(i))) {
      return static_cast<TaskState>(i);
    }
  }
  ADD_FAILURE() << "no state " << name;
  return TaskState::unknown;
}

class AgentScript : public script::Handler {
 public:
  AgentScript() { renew(); }

  std::string run(const script::Command& command) override {
    const std::string& verb = command.verb();
    if (verb == "options") {
      options_.accept_new_lineage = command.has("accept_new_lineage");
      options_.planted =
          command.has("skip_epoch") ? PlantedBug::skip_master_epoch_check : PlantedBug::none;
      renew();
      return "";
    }
    if (verb == "crash") {
      return crash(command);
    }
    if (verb == "state") {
      return state();
    }
    if (verb == "at") {
      now_ = Instant::from_millis(command.number("ms", 0));
      return step(Tick{});
    }
    if (verb == "tick") {
      if (core_->next_wake() == Instant::max()) {
        return "nothing to wait for\n";
      }
      now_ = std::max(now_, core_->next_wake());
      return step(Tick{});
    }
    if (verb == "durable") {
      durable_ = static_cast<std::size_t>(
          command.number("upto", static_cast<std::int64_t>(core_->last_seq().value())));
      return step(Durable{JournalSeq(durable_)});
    }
    const std::string master = master_verb(command);
    return master != "?" ? master : machine_verb(command);
  }

 private:
  std::string master_verb(const script::Command& command) {
    const std::string& verb = command.verb();
    if (verb == "detect") {
      return step(MasterDetected{});
    }
    if (verb == "lose") {
      return step(MasterLost{"connection closed", command.words.size() < 2});
    }
    if (verb == "registered") {
      return say(command, Registered{command.text("id", "a1"), Duration::seconds(75)});
    }
    if (verb == "launch") {
      return say(command, launch_of(command));
    }
    if (verb == "kill") {
      Kill kill{TaskKey{framework(command), command.word(0)}, std::nullopt};
      if (command.has("grace")) {
        kill.grace = Duration::millis(command.number("grace", 0));
      }
      return say(command, kill);
    }
    if (verb == "ack") {
      return say(command, Acknowledge{TaskKey{framework(command), command.word(0)},
                                      uuid_of(command, command.word(1))});
    }
    if (verb == "reconcile") {
      Reconcile said;
      for (const std::string& task : split(command.word(0), ',')) {
        said.tasks.push_back(TaskKey{framework(command), task});
      }
      return say(command, said);
    }
    if (verb == "update-framework") {
      UpdateFramework said;
      said.framework.id = framework(command);
      return say(command, said);
    }
    if (verb == "ping") {
      return say(command, Ping{static_cast<std::uint64_t>(++pings_)});
    }
    if (verb == "shutdown-executor") {
      return say(command, ShutdownExecutor{ExecutorKey{framework(command), command.word(0)}});
    }
    if (verb == "shutdown-framework") {
      return say(command, ShutdownFramework{framework(command)});
    }
    if (verb == "shutdown") {
      return say(command, Shutdown{"gone"});
    }
    return "?";
  }

  std::string machine_verb(const script::Command& command) {
    const std::string& verb = command.verb();
    if (verb == "recover") {
      return recover(command);
    }
    if (verb == "pressure") {
      return step(PressureChanged{Pressure{command.words.size() > 1 ? command.word(0) : ""}});
    }
    if (verb == "stop") {
      return step(StopAsked{"asked to"});
    }
    const ExecutorKey key{framework(command), command.word(0)};
    if (verb == "spawned") {
      return step(Spawned{container(key), ProcessRef{command.number("pid", 100), 7, "b1"}});
    }
    if (verb == "spawn-failed") {
      return step(SpawnFailed{container(key), Reason::container_launch_failed, "no such user"});
    }
    if (verb == "gone") {
      return step(ContainerGone{container(key), wait_status(command), exit_of(command)});
    }
    if (verb == "subscribe") {
      return subscribe(command, key);
    }
    if (verb == "update") {
      return step(ExecutorUpdated{key, TaskKey{key.framework, command.word(1)},
                                  update(command.word(2), command.word(3))});
    }
    if (verb == "break") {
      return step(ExecutorDisconnected{key});
    }
    return "no such verb: " + verb + "\n";
  }

  std::string recover(const script::Command& command) {
    RecoveryChecked event{command.text("boot", "b1"), {}};
    const auto alive = split(command.text("alive"), ',');
    for (const auto& [id, process] : core_->unfinished_containers()) {
      const std::string& name = core_->find(id)->spec.key.executor;
      const bool lives = std::find(alive.begin(), alive.end(), name) != alive.end();
      event.found.push_back(ContainerFound{id, lives, wait_status(command), exit_of(command)});
    }
    return step(event);
  }

  std::string subscribe(const script::Command& command, const ExecutorKey& key) {
    ExecutorSubscribed event{key, split(command.text("tasks"), ','), {}};
    for (const std::string& item : split(command.text("updates"), ',')) {
      const auto parts = split(item, ':');
      event.unacknowledged_updates.emplace_back(TaskKey{key.framework, parts.at(0)},
                                                update(parts.at(1), parts.at(2)));
    }
    return step(event);
  }

  std::string crash(const script::Command& command) {
    const auto keep =
        static_cast<std::size_t>(command.number("keep", static_cast<std::int64_t>(durable_)));
    journal_.resize(std::min(keep, journal_.size()));
    core_ = std::make_unique<Core>(options_);
    std::string out = "replayed " + std::to_string(journal_.size()) + "\n";
    for (const Bytes& bytes : journal_) {
      const Result<Record> record = decode_record(bytes);
      EXPECT_TRUE(record.ok());
      const Status status = core_->replay(*record);
      if (!status.ok()) {
        out += "error " + status.error().message + "\n";
      }
    }
    // What a rewritten journal would hold must come to the same.
    Core again(options_);
    for (const Record& record : core_->condensed()) {
      EXPECT_TRUE(again.replay(record).ok());
    }
    EXPECT_EQ(lines(core_->condensed()), lines(again.condensed()));
    return out;
  }

  static std::vector<Bytes> lines(const std::vector<Record>& records) {
    std::vector<Bytes> out;
    for (const Record& record : records) {
      out.push_back(encode(record));
    }
    return out;
  }

  std::string state() {
    std::ostringstream out;
    for (const auto& [key, executor] : core_->executors()) {
      out << "executor " << key << ' ' << to_string(executor.state)
          << (executor.connected ? " connected" : "") << '\n';
    }
    for (const auto& [key, task] : core_->tasks()) {
      out << "task " << key << ' ' << to_string(task.state) << " pending=" << task.updates.size()
          << (task.in_flight ? " in-flight" : "") << '\n';
    }
    return out.str().empty() ? "nothing\n" : out.str();
  }

  std::string say(const script::Command& command, Command said) {
    const auto parts = split(command.text("from", "1"), '.');
    MasterIdentity from;
    from.lineage = named_uuid(parts.size() == 2 ? parts[0] : "L1");
    from.epoch = MasterEpoch(std::stoull(parts.back()));
    return step(MasterSaid{from, std::move(said)});
  }

  std::string step(EventBody body) {
    Effects effects;
    core_->step(Event{now_, WallTime{1000 + now_.millis()}, std::move(body)}, effects);
    std::ostringstream out;
    for (const Effect& effect : effects) {
      out << effect << '\n';
      if (const auto* persist = std::get_if<Persist>(&effect)) {
        EXPECT_EQ(persist->seq.value(), journal_.size() + 1);
        journal_.push_back(encode(persist->record));
      }
    }
    if (options_.planted == PlantedBug::none) {
      EXPECT_EQ(core_->check(), "");
    }
    return out.str();
  }

  static std::string framework(const script::Command& command) {
    return command.text("framework", "f1");
  }

  static Launch launch_of(const script::Command& command) {
    Launch said;
    said.framework.id = framework(command);
    said.framework.partition_aware = command.line.find(" aware") != std::string::npos;

    const std::string task = command.word(0);
    said.executor.key = ExecutorKey{said.framework.id, command.text("executor", task)};
    said.executor.kind = command.line.find(" custom") != std::string::npos ? ExecutorKind::custom
                                                                           : ExecutorKind::command;
    said.tasks.push_back(TaskSpec{TaskKey{said.framework.id, task}, "info", Duration::seconds(3)});
    return said;
  }

  ContainerId container(const ExecutorKey& key) {
    const auto it = core_->executors().find(key);
    return it == core_->executors().end() ? ContainerId{} : it->second.container;
  }

  // "uN", or "head": the oldest pending update of the task.
  Uuid uuid_of(const script::Command& command, const std::string& name) {
    if (name != "head") {
      return named_uuid(name);
    }
    const auto it = core_->tasks().find(TaskKey{framework(command), command.word(0)});
    return it == core_->tasks().end() || it->second.updates.empty()
               ? Uuid{}
               : it->second.updates.front().update.uuid;
  }

  static Update update(const std::string& state, const std::string& uuid) {
    Update made;
    made.uuid = named_uuid(uuid);
    made.state = state_of(state);
    made.source = Source::executor;
    made.status = "status";
    return made;
  }

  static WaitStatus wait_status(const script::Command& command) {
    WaitStatus status;
    if (command.has("code")) {
      status.code = static_cast<int>(command.number("code", 0));
    } else if (command.has("signal")) {
      status.signal = static_cast<int>(command.number("signal", 0));
    }
    return status;
  }

  static std::optional<TaskExit> exit_of(const script::Command& command) {
    if (!command.has("exit")) {
      return std::nullopt;
    }
    const auto parts = split(command.text("exit"), ':');
    TaskExit exit{parts.at(0), update(parts.at(1), "u77"), wait_status(command)};
    exit.update.message = parts.at(2);
    return exit;
  }

  void renew() {
    options_.seed = 7;
    core_ = std::make_unique<Core>(options_);
    journal_.clear();
  }

  Options options_;
  std::unique_ptr<Core> core_;
  std::vector<Bytes> journal_;
  std::size_t durable_ = 0;
  Instant now_;
  int pings_ = 0;
};

TEST(AgentCore, scripts) {
  script::run_scripts(std::string(SYNOD_SOURCE_DIR) + "/testdata",
                      [] { return std::make_unique<AgentScript>(); });
}

}  // namespace
}  // namespace synod::agent::core
