// The master's rules: who is registered, what is offered, what runs. Events in, effects out.
//
// Source      Mesos 1.11's master (reference: mesos.md 2, 9.6, 11, 13); docs/design.md, section 6.
// Invariants  M1 the ledger's own (ledger.h): nothing is given out twice or beyond the total.
//             M2 every offer outstanding belongs to a connected framework and a connected agent.
//             M3 an agent hears Registered only after the registry holds it as admitted.
//             M4 a task's amount is held exactly from its launch (or report) until its latest state
//                is terminal or its agent is removed.
//             M5 tasks are told unreachable only after the registry holds their agent as such.
//             M6 what the allocator thinks free on an agent is what the ledger says is free.
//             M7 nothing is asked of an agent or the registry without this master's Leadership.
//             M8 a task is told not known only after the registry has confirmed, since the
//             question,
//                that this master leads.
// Purity      Same options and events, same effects.
// Threads     Confined to the owning Lane. Views may be read anywhere.
// Memory      Agents, frameworks, tasks, offers; completed ones and lost agents within bounds.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "allocator/allocator.h"
#include "master/core/effects.h"
#include "master/core/events.h"
#include "master/core/ledger.h"
#include "master/core/view.h"

namespace synod::master::core {

struct Options {
  std::string master_id;  // prefix of all ids minted here: a random UUID per process
  Leadership leadership;
  Duration agent_ping_timeout = Duration::seconds(15);
  std::uint32_t agent_ping_timeouts_max = 5;
  Duration agent_reregister_timeout = Duration::seconds(600);
  std::optional<Duration> offer_timeout;
  std::set<std::string> role_whitelist;  // empty: every role
  bool root_submissions = true;
  std::size_t completed_frameworks_max = 50;
  std::size_t completed_tasks_per_framework_max = 1000;
  std::size_t unreachable_tasks_per_framework_max = 1000;
  std::size_t lost_agents_max = 102'400;  // unreachable or gone, remembered
  // The allocator's: interval, mode, minimum offer, gathering.
  allocator::Options allocator;
};

// Answer to "may this call be made?" (rows 11 to 16 of mesos.md 1.4).
enum class CallCheck {
  ok,                 // 202
  not_recovered,      // 503
  unknown_framework,  // 400
  wrong_principal,    // 400
  disconnected,       // 403
  wrong_stream,       // 400
};

class Core {
 public:
  explicit Core(Options options);

  // Appends effects. Any event a peer can cause is answered, never asserted.
  void step(const Event& event, Effects& effects);

  // True once Recovered was heard.
  bool recovered() const { return recovered_; }
  // Pure questions; the face asks before it answers the HTTP request. `principal` is the
  // authenticated one, nullopt where nobody is authenticated.
  CallCheck check_call(const FrameworkId& framework, Stream stream,
                       const std::optional<std::string>& principal) const;
  // True if the stream is the current one of a registered or registering agent.
  bool is_agent_stream(Stream stream) const;

  // Pieces that changed since the last call are made anew; the rest is shared with it.
  std::shared_ptr<const View> view();
  // How many agents and frameworks there are by state, without making a view.
  struct Summary {
    std::size_t agents_registered = 0;  // connected
    std::size_t agents_disconnected = 0;
    std::size_t agents_recovered = 0;  // admitted, not back since the failover
    std::size_t frameworks_connected = 0;
    std::size_t frameworks_disconnected = 0;
    std::size_t offers = 0;
    std::size_t tasks = 0;
  };
  Summary summary() const;
  const Counters& counters() const { return counters_; }
  const Ledger& ledger() const { return ledger_; }
  const allocator::Allocator& allocator() const { return allocator_; }
  // Why does this framework get nothing, or where would this amount fit? Lines for people.
  allocator::Explanation explain(const FrameworkId& framework, const std::string& role,
                                 const allocator::Shape& shape) const;

  std::uint64_t digest() const;
  // Empty if all invariants hold, else the first broken one in words.
  std::string check() const;

 private:
  struct Task {
    TaskView view;  // what everybody may see
    FrameworkKey framework;
    bool holds = true;  // its amount is still held in the ledger
    // Of the newest update forwarded to the framework; the uuid only while it is unacknowledged.
    std::optional<TaskState> update_state;
    std::optional<Uuid> update_uuid;
    // The ACCEPT it came from, by which a repeated one is known.
    std::vector<OfferId> offers;
    bool kill_wanted = false;
    Bytes kill_policy;
  };
  struct Executor {
    ExecutorSpec spec;
    std::string role;
    FrameworkKey framework;
  };
  using TaskKey = std::pair<FrameworkKey, TaskId>;
  using ExecutorKey = std::pair<FrameworkKey, ExecutorId>;

  enum class AgentState {
    admitting,     // the registry is asked; not in the ledger yet
    connected,     // registered, and its stream is open
    disconnected,  // registered, and its stream is gone
  };
  struct Agent {
    AgentKey key;
    AgentId id;
    AgentState state = AgentState::admitting;
    std::shared_ptr<const AgentInfo> info;
    Stream stream;  // none while disconnected
    // A subscription that waits for the registry.
    std::optional<AgentSubscribe> waiting;
    // The registry write that will take it away.
    std::optional<OperationKey> removal;
    bool accepts_tasks = true;
    std::string why_not;
    WallTime registered_at;
    WallTime reregistered_at;
    std::uint64_t pings = 0;
    Instant heard;                         // the last sign of life
    Instant next_ping = Instant::max();    // of its timer
    Instant silence_end = Instant::max();  // of its timer; may lie before heard + limit
    std::map<TaskKey, Task> tasks;
    std::map<ExecutorKey, Executor> executors;
    std::set<OfferKey> offers;
    std::shared_ptr<const AgentView> piece;  // nullptr: changed since it was made
  };
  struct Framework {
    FrameworkKey key;
    FrameworkId id;
    FrameworkInfo info;
    FrameworkView::State state = FrameworkView::State::connected;
    Stream stream;  // none unless connected
    std::set<std::string> suppressed;
    WallTime registered_at;
    WallTime reregistered_at;
    Instant failover_end = Instant::max();      // of its timer
    std::map<TaskId, AgentKey> tasks;           // where they run
    std::map<AgentKey, std::size_t> executors;  // how many of its executors run where
    std::set<OfferKey> offers;
    // Over all agents, so scalars only: equal ports of two agents are two things.
    resources::Quantities offered;
    resources::Quantities allocated;
    std::deque<Task> completed;
    std::map<TaskId, TaskView> unreachable;
    std::shared_ptr<const FrameworkView> piece;  // nullptr: changed since it was made
  };
  struct OutstandingOffer {
    OfferId id;
    FrameworkKey framework;
    AgentKey agent;
    std::string role;
    WallTime since;
    Instant end = Instant::max();  // of its timer
  };
  struct RecoveredAgent {
    AgentRecord record;
    std::optional<OperationKey> removal;
    // It came back while its removal was on its way.
    std::optional<AgentSubscribe> waiting;
  };
  struct LostAgent {
    WallTime since;
    bool gone = false;
  };
  // What a registry operation was for.
  struct Pending {
    enum class Kind { admit, unreachable, gone, remove, weights, question, other };

    Kind kind = Kind::other;
    AgentId agent;
    WallTime since;
    std::vector<WeightRecord> weights;
    FrameworkId framework;  // question
    std::vector<Reconcile::Item> questions;
  };
  enum class TimerKind : std::uint8_t { ping, silence, failover, offer, reregister, allocator };
  using Timer = std::tuple<Instant, TimerKind, std::uint64_t>;
  using Refusal = std::optional<Duration>;

  // core.cc: the process, timers, the registry's answers
  void on(const Recovered& event);
  void on(const Wake& event);
  void on(const Turn& event);
  void on(const RegistryDone& event);
  void on(const RegistryFailed& event);
  void on(const StreamClosed& event);
  void on(const UpdateWeights& event);
  void finish_step();
  void set_timer(Instant& slot, Instant at, TimerKind kind, std::uint64_t key);
  void fire(TimerKind kind, std::uint64_t key);
  OperationKey ask_registry(decltype(ToRegistry::body) body, Pending pending);
  void note(NoteLevel level, std::string text);
  void allocate(allocator::EventBody body);

  // frameworks.cc
  void on(const Subscribe& event);
  void on(const Teardown& event);
  void on(const OperatorTeardown& event);
  void on(const Revive& event);
  void on(const Suppress& event);
  std::optional<std::string> refuse_subscription(const Subscribe& event) const;
  Framework& add_framework(const FrameworkId& id, const FrameworkInfo& info);
  allocator::AddFramework for_allocator(const Framework& framework, bool active) const;
  void connect(Framework& framework, const Subscribe& event, const FrameworkInfo& info);
  void wait_for(Framework& framework, Duration timeout);
  void disconnect(Framework& framework);
  void recover_framework(const FrameworkRecord& record);
  Framework& reported_framework(const ReportedFramework& report);
  void remove_framework(FrameworkKey key, const std::string& why);
  void remember_completed(std::shared_ptr<const FrameworkView> view);
  void tell(const Framework& framework, decltype(ToFramework::body) body);
  void record(const Framework& framework);
  Framework* find(const FrameworkId& id);
  const Framework* find(const FrameworkId& id) const;
  Framework& at(FrameworkKey key);
  bool is_completed(const FrameworkId& id) const;
  bool roles_are_its(const Framework& framework, const std::vector<std::string>& roles) const;

  // agents.cc
  void on(const AgentSubscribe& event);
  void on(const AgentPong& event);
  void on(const AgentAcceptsTasks& event);
  void on(const AgentGoodbye& event);
  void on(const MarkAgentGone& event);
  void on(const AgentExecutorExited& event);
  void on(const AgentMessage& event);
  void subscribe_known(Agent& agent, const AgentSubscribe& event);
  void subscribe_unknown(const AgentId& id, const AgentSubscribe& event);
  Agent& add_agent(const AgentId& id);
  void refuse(const AgentSubscribe& event, Refused::Reason reason, const std::string& why);
  void registered(Agent& agent);
  void take_info(Agent& agent, const AgentSubscribe& report);
  void take_reports(Agent& agent, const AgentSubscribe& report);
  void take_task(Agent& agent, Framework& framework, const ReportedTask& report);
  void take_executor(Agent& agent, Framework& framework, const ExecutorSpec& spec);
  void answer_reports(Agent& agent, const AgentSubscribe& report);
  void disconnect(Agent& agent, const std::string& why);
  void remove_later(const AgentId& id, Pending::Kind kind);
  void removed(const Pending& done);
  void removed_known(Agent& agent, const Pending& done);
  void forget_agent(Agent& agent, TaskState aware, TaskState unaware, std::int32_t why,
                    std::optional<WallTime> unreachable_since, const std::string& message);
  void update_offerable(Agent& agent);
  void watch_silence(Agent& agent);
  Duration silence_limit() const;
  AgentRecord record_of(const AgentId& id, const AgentInfo& info) const;
  void tell(const Agent& agent, decltype(ToAgent::body) body);
  Agent* find(const AgentId& id);
  const Agent* find(const AgentId& id) const;
  Agent& at(AgentKey key);
  // The registered agent whose current stream this is; nullptr if none. A sign of life.
  Agent* speaking(Stream stream);

  // offers.cc
  void on(const Accept& event);
  void on(const Decline& event);
  void make_offers(std::vector<allocator::Allocation> allocations);
  std::optional<std::string> offers_error(const Framework& framework, const Accept& event) const;
  void void_accept(Framework& framework, const Accept& event, const std::string& why);
  void launch(Framework& framework, Agent& agent, const Accept& event, const TaskSpec& spec,
              OfferKey pool);
  void refuse_operation(const Framework& framework, const AgentId& agent,
                        const Operation& operation, const std::string& why);
  bool is_repeated(const Framework& framework, const Accept& event, const TaskId& task) const;
  void give_back(OfferKey offer, Refusal refuse);
  void rescind(OfferKey offer);
  OutstandingOffer* find(const OfferId& id);
  const OutstandingOffer* find(const OfferId& id) const;

  // tasks.cc
  void on(const AgentUpdate& event);
  void on(const Acknowledge& event);
  void on(const Kill& event);
  void on(const ShutdownExecutor& event);
  void on(const MessageExecutor& event);
  void on(const Reconcile& event);
  void answer_questions(const FrameworkId& id, const std::vector<Reconcile::Item>& items);
  void answer_confirmed(const Framework& framework, const std::vector<Reconcile::Item>& items);
  bool say_known(const Framework& framework, const Reconcile::Item& item);
  std::optional<TaskStatus> not_known(const Framework& framework,
                                      const Reconcile::Item& item) const;
  TaskStatus status_of(TaskState state, const TaskId& task, std::int32_t why) const;
  TaskStatus status_of(const Task& task, TaskState state, std::int32_t why) const;
  void take_status(Agent& agent, Task& task, const TaskStatus& status, TaskState latest);
  void take_state(Agent& agent, Task& task, TaskState latest);
  void release_task(Agent& agent, Task& task);
  void end_task(Agent& agent, const TaskKey& key);
  void remember_completed(Framework& framework, Task task);
  void end_executor(Agent& agent, const ExecutorKey& key);
  const Task* find_task(const Framework& framework, const TaskId& id) const;
  Task* find_task(const Framework& framework, const TaskId& id);
  void changed(Agent& agent) { agent.piece = nullptr; }
  void changed(Framework& framework) { framework.piece = nullptr; }

  // view.cc
  TaskView view_of(const Task& task) const;
  std::shared_ptr<const AgentView> make_piece(const Agent& agent) const;
  std::shared_ptr<const FrameworkView> make_piece(const Framework& framework) const;
  std::string check_agent(const Agent& agent) const;
  std::string check_framework(const Framework& framework) const;

  Options options_;
  bool recovered_ = false;
  Ledger ledger_;
  allocator::Allocator allocator_;

  std::map<FrameworkKey, Framework> frameworks_;
  std::map<FrameworkId, FrameworkKey> framework_keys_;
  std::map<Stream, FrameworkKey> framework_streams_;
  std::deque<std::shared_ptr<const FrameworkView>> completed_;
  std::map<AgentKey, Agent> agents_;
  std::map<AgentId, AgentKey> agent_keys_;
  std::map<Stream, AgentKey> agent_streams_;
  std::map<AgentId, RecoveredAgent> recovered_agents_;
  std::map<Stream, AgentId> recovered_waiting_;
  std::map<std::pair<std::string, std::int32_t>, AgentKey> agent_addresses_;
  std::map<AgentId, LostAgent> lost_agents_;  // unreachable or gone
  std::map<OfferKey, OutstandingOffer> offers_;
  std::map<OfferId, OfferKey> offer_keys_;
  std::map<OperationKey, Pending> pending_;
  std::map<std::string, Milli> weights_;
  std::set<Timer> timers_;
  Instant reregister_end_ = Instant::max();
  Instant allocator_wake_ = Instant::max();

  std::uint64_t next_framework_ = 0;
  std::uint64_t next_agent_ = 0;
  std::uint64_t next_offer_ = 0;
  std::uint64_t keys_made_ = 0;
  std::uint64_t operations_made_ = 0;
  Counters counters_;
  Instant wake_asked_ = Instant::max();

  // The step under way.
  Instant now_;
  WallTime wall_;
  Effects* effects_ = nullptr;
};

}  // namespace synod::master::core
