// The agent's rules: events in, effects out.
//
// Source      Mesos 1.11's agent (protocol reference, sections 2.6, 5, 11); docs/design.md, 6.
// Invariants  I1 nothing that depends on a record is asked for before its Durable.
//             I2 of each task's updates only the oldest unacknowledged one is ever in flight.
//             I3 a container is spawned only after its intent, released only after its pid, is
//                durable.
//             I4 no command of a master below the greatest (lineage, master_epoch) is obeyed, and
//                none before that greatest one is durable.
//             I5 after a terminal state no later state of that task is taken.
//             I6 every task that is not terminal belongs to an executor that has not ended.
// Purity      Same options and events, same effects. Ids come from a generator seeded by the face.
// Threads     Confined to the owning Lane.
// Memory      Executors, tasks and updates of the agent; recent uuids, bounded, per live task.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "agent/core/events.h"
#include "base/planted.h"
#include "base/prng.h"

namespace synod::agent::core {

struct Options {
  std::uint64_t seed = 0;  // drawn anew for every start of the agent
  Duration update_retry_min = Duration::seconds(10);
  Duration update_retry_max = Duration::seconds(600);
  Duration executor_registration_timeout = Duration::seconds(60);
  Duration executor_reregistration_timeout = Duration::seconds(15);
  // A command executor that has not ended its task by kill grace + this is ended by force,
  Duration kill_patience = Duration::seconds(10);
  // and so is one that still runs this long after its task's end.
  Duration exit_patience = Duration::seconds(75);
  // Attempts fall into windows that double from a tenth of it, so that a master that has just been
  // elected and is not ready yet costs little.
  Duration registration_backoff = Duration::seconds(1);
  Duration registration_backoff_max = Duration::seconds(15);
  Duration registration_timeout = Duration::seconds(15);
  // Take orders from another lineage, forgetting the old one: the registry was founded anew.
  bool accept_new_lineage = false;
  PlantedBug planted = PlantedBug::none;
};

enum class ExecutorState {
  intended,    // its intent is on its way to the journal
  spawning,    // the face makes the process
  forked,      // its pid is on its way to the journal
  starting,    // released; has not subscribed yet
  running,     // has subscribed (connected or not)
  recovering,  // survived a restart of the agent, has not subscribed again yet
  ending,      // told to shut down, or being destroyed
};

const char* to_string(ExecutorState state);

// Why an executor is being ended: what its tasks will be told.
struct Termination {
  TaskState state = TaskState::failed;
  Reason reason = Reason::executor_terminated;
  std::string message;
};

struct Executor {
  ExecutorSpec spec;
  ContainerId container;
  JournalSeq written;  // its LaunchIntended or, once there is a process, its Forked
  ExecutorState state = ExecutorState::intended;
  std::optional<ProcessRef> process;
  bool connected = false;
  bool destroying = false;
  // When the present state has lasted too long; what happens then depends on the state.
  Instant deadline = Instant::max();
  std::optional<Termination> termination;
};

struct PendingUpdate {
  Update update;
  JournalSeq seq;  // durable once the journal got this far
};

struct Task {
  TaskSpec spec;
  std::string executor;
  std::optional<ContainerId> container;  // none: it never had one (unknown or refused tasks)
  TaskState state = TaskState::staging;  // latest seen
  JournalSeq added;                      // its LaunchIntended or TaskAdded
  JournalSeq acknowledged;               // its last UpdateAcknowledged
  bool delivered = false;                // LAUNCH was handed to the executor, in this life
  std::optional<Duration> kill;          // asked for, with this grace
  std::deque<PendingUpdate> updates;     // not acknowledged by the framework, oldest first
  std::deque<Uuid> recent;               // uuids taken, newest last: duplicates are told by them
  std::vector<Update> told;  // the last of each state, in order: what a new master wants to know
  std::int64_t process = 0;  // pid of the command where the executor told it
  bool in_flight = false;
  Instant retry_at = Instant::max();
  Duration retry_delay;
};

class Core {
 public:
  explicit Core(const Options& options);

  // Before the first event: the journal's records, in order. An error names what cannot follow.
  Status replay(const Record& record);
  // After replay: what must be looked up on the machine for RecoveryChecked, with the process if
  // one was journaled.
  std::vector<std::pair<ContainerId, std::optional<ProcessRef>>> unfinished_containers() const;

  // Appends what is to be done. The first event is RecoveryChecked.
  void step(const Event& event, Effects& effects);

  // When the next Tick is due; Instant::max() if never.
  Instant next_wake() const;

  const std::string& agent_id() const { return agent_id_; }
  bool registered() const { return link_ == Link::registered; }
  bool recovered() const { return recovered_; }
  const std::optional<MasterIdentity>& master() const { return master_; }
  const Pressure& pressure() const { return pressure_; }
  const std::map<std::string, Framework>& frameworks() const { return frameworks_; }
  const std::map<ExecutorKey, Executor>& executors() const { return executors_; }
  const std::map<TaskKey, Task>& tasks() const { return tasks_; }
  // nullptr if no such container is known.
  const Executor* find(const ContainerId& container) const;

  // Records that, replayed into an empty core, give this state: what a rewritten journal holds.
  // Once they are flushed in place of the old journal, everything up to last_seq() is durable.
  std::vector<Record> condensed() const;
  // The position of the last Persist of this life (replayed records count). Positions are not
  // stored; every life counts from 1 again.
  JournalSeq last_seq() const { return last_seq_; }

  std::uint64_t digest() const;
  // Empty if all invariants hold, else the first broken one in words.
  std::string check() const;

 private:
  enum class Link { none, waiting, subscribing, registered };

  // What happens once a position is durable, with the state checked anew at that time.
  struct Obey {
    MasterIdentity from;
    Command command;
    std::uint64_t connection = 0;  // it came down this one
  };
  struct SpawnNow {
    ContainerId container;
  };
  struct ReleaseNow {
    ContainerId container;
  };
  struct DeliverNow {
    TaskKey task;
  };
  struct AcknowledgeNow {
    ExecutorKey executor;
    TaskKey task;
    Uuid uuid;
  };
  struct ForwardNow {
    TaskKey task;
  };
  using Action = std::variant<Obey, SpawnNow, ReleaseNow, DeliverNow, AcknowledgeNow, ForwardNow>;

  // core.cc
  void on(const Durable& event);
  void on(const Tick& event);
  void on(const PressureChanged& event);
  void on(const StopAsked& event);
  void run_action(const Action& action);
  JournalSeq persist(Record record);
  void after(JournalSeq seq, Action action);
  void emit(Effect effect);
  void note(NoteLevel level, std::string text);
  Uuid fresh_uuid();
  void finish_if_stopping();

  // master.cc: the link upwards and what comes down it
  void on(const MasterDetected& event);
  void on(const MasterLost& event);
  void on(const MasterSaid& event);
  bool heed(const MasterIdentity& from);
  void obey_if_registered(const Command& command);
  void obey(const Registered& command);
  void obey(const Launch& command);
  void obey(const Kill& command);
  void obey(const Acknowledge& command);
  void obey(const ShutdownExecutor& command);
  void obey(const ShutdownFramework& command);
  void obey(const Reconcile& command);
  void obey(const UpdateFramework& command);
  void obey(const Ping& command);
  void obey(const MessageExecutor& command);
  void obey(const Shutdown& command);
  void answer_unknown(const TaskKey& key, Reason reason, const std::string& message);
  void renew_silence();
  void attempt_later();
  void hang_up(const std::string& reason);
  void tick_link();

  // executors.cc: from launch to end
  void on(const ExecutorSubscribed& event);
  void on(const ExecutorDisconnected& event);
  void on(const Spawned& event);
  void on(const SpawnFailed& event);
  void on(const ContainerGone& event);
  void refuse_launch(const Launch& command, Reason reason, const std::string& message);
  void deliver(Task& task);
  void kill_undelivered(Task& task);
  void shutdown_executor(Executor& executor, std::optional<Termination> why);
  void destroy(Executor& executor, std::optional<Termination> why);
  void end_container(const ContainerId& container, const WaitStatus& status,
                     const std::optional<TaskExit>& exit);
  void tick_executors();

  // updates.cc: the three clocks
  void on(const ExecutorUpdated& event);
  void take_update(const TaskKey& key, const std::string& executor, Update update,
                   const ExecutorKey* from);
  void make_update(const TaskKey& key, const std::string& executor, TaskState state, Reason reason,
                   const std::string& message);
  void forward_head(Task& task);
  void after_terminal(const Task& task);
  void forget_if_done(const TaskKey& key);
  void tick_updates();

  // recovery.cc
  void on(const RecoveryChecked& event);
  Status apply(const Record& record, JournalSeq seq);
  Status apply_one(const AgentNamed& record, JournalSeq seq);
  Status apply_one(const MasterSeen& record, JournalSeq seq);
  Status apply_one(const LaunchIntended& record, JournalSeq seq);
  Status apply_one(const Forked& record, JournalSeq seq);
  Status apply_one(const TaskAdded& record, JournalSeq seq);
  Status apply_one(const UpdateTaken& record, JournalSeq seq);
  Status apply_one(const UpdateAcknowledged& record, JournalSeq seq);
  Status apply_one(const KillAsked& record, JournalSeq seq);
  Status apply_one(const ContainerEnded& record, JournalSeq seq);
  Status apply_one(const FrameworkChanged& record, JournalSeq seq);
  Status apply_one(const FrameworkEnded& record, JournalSeq seq);
  Status apply_one(const TaskKept& record, JournalSeq seq);
  void forget_framework_if_done(const std::string& framework);

  Executor* find_executor(const ContainerId& container);
  Task* find_task(const TaskKey& key);
  std::vector<TaskKey> tasks_of(const Executor& executor) const;
  bool has_live_task(const Executor& executor) const;
  TaskState or_lost(const std::string& framework, TaskState state) const;

  Options options_;
  Prng prng_;

  // Durable state, as far as last_seq_; what is durable already is up to durable_seq_.
  std::string agent_id_;
  std::optional<MasterIdentity> master_;
  JournalSeq master_seq_;
  std::map<std::string, Framework> frameworks_;
  std::set<std::string> frameworks_ending_;
  std::map<ExecutorKey, Executor> executors_;
  std::map<ContainerId, ExecutorKey> containers_;
  std::map<TaskKey, Task> tasks_;

  JournalSeq last_seq_;
  JournalSeq durable_seq_;
  std::multimap<JournalSeq, Action> deferred_;

  // This life's.
  bool recovered_ = false;
  std::string boot_id_;
  Pressure pressure_;
  bool stopping_ = false;
  std::string stop_reason_;
  Link link_ = Link::none;
  bool master_detected_ = false;
  std::uint64_t connection_ = 0;            // counts connections made and ended
  Instant link_deadline_ = Instant::max();  // next attempt, or the attempt's or the ping's limit
  Duration link_backoff_;
  Duration silence_limit_;

  // The step under way.
  Instant now_;
  WallTime wall_;
  Effects* effects_ = nullptr;
};

}  // namespace synod::agent::core
