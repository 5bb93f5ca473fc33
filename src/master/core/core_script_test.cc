// Text scripts of the master's core.
//
// Words of a script. Frameworks f1, f2, ... and agents a1, a2, ... are played by the script; their
// ids are minted by the master "m". Turns are taken when asked for. The registry answers at once,
// unless `registry manual` was said; then `done N` and `failed N` do.
//   options offer_timeout=1000 roles=a,b ping=15000 pings=5 reregister=600000 completed=50
//   recovered agents=S7,S8 unreachable=S9:500 gone=S3:500 weights=a:2
//             frameworks=F1/connected/0/timeout=0,F2/disconnected/100/timeout=5000
//             (without it the registry was empty)
//   framework f1 [id=..] [role=r] [roles=a,b (MULTI_ROLE)] [aware=1] [timeout=MS] [user=u]
//             [principal=p] [suppressed=a] [name=n]       subscribes on a new stream
//   agent a1 TOTAL [id=..] [tasks=F/T/STATE/RESOURCES,...] [executors=F/E/RESOURCES,...]
//             [frameworks=F,..] [accepts=0] [attributes=..] [port=N] [fresh=1 (forgot its id)]
//   hangup f1|a1        its stream breaks
//   accept f1 O1,O2 tasks=T:RESOURCES|.. [executor=E:RESOURCES] [agent=id] [refuse=MS] [op=RESERVE]
//             [op_id=x] [both=1 (command and executor)] [bad=text (malformed)] [group=1]
//   decline f1 O1 [refuse=MS]       revive f1 [roles=..]    suppress f1 [roles=..]
//   update a1 f1 T STATE [uuid=N] [latest=STATE]    ack f1 a1 T N    kill f1 T [agent=a1]
//   reconcile f1 [T@a1,T2@-]        teardown f1     operator_teardown f1
//   exited a1 f1 E STATUS           accepts a1 0|1  goodbye a1       gone a1
//   message f1 a1 E  reply a1 f1 E  shutdown f1 a1 E     weights a=2
//   pong a1   wait MS   notes   view   check f1 stream|none   explain f1 ROLE SHAPE
#include <gtest/gtest.h>

#include <sstream>

#include "master/core/core.h"
#include "test/script/script.h"

namespace synod::master::core {
namespace {

using script::Command;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    parts.push_back(part);
  }
  return parts;
}

Resources amount(const std::string& text) {
  auto parsed = resources::parse_resources(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? parsed.value() : Resources();
}

TaskState state_of(const std::string& name) {
  for (int i = 0; i <= 13; ++i) {
    const auto state = static_cast<TaskState>(i);
    std::string lower = std::string(to_string(state)).substr(5);
    for (char& c : lower) {
      c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    if (lower == name) {
      return state;
    }
  }
  ADD_FAILURE() << "no task state " << name;
  return TaskState::unknown;
}

Uuid uuid_of(std::int64_t number) {
  return uuid_from_words(static_cast<std::uint64_t>(number) << 32, 0);
}

class World : public script::Handler {
 public:
  World() {
    options_.master_id = "m";
    options_.leadership.epoch = MasterEpoch(3);
  }

  std::string run(const Command& command) override {
    out_.str("");
    if (!core_ && command.verb() != "options") {
      core_ = std::make_unique<Core>(options_);
      if (command.verb() != "recovered" && command.verb() != "early") {
        send(Recovered{});
      }
    }
    if (!setup(command) && !framework_call(command) && !offer_call(command) &&
        !agent_call(command) && !question(command)) {
      out_ << "unknown verb " << command.verb() << "\n";
    }
    if (core_) {
      EXPECT_EQ(core_->check(), "") << "after: " << command.line;
    }
    return out_.str();
  }

 private:
  // ---- names

  FrameworkId framework_id(const std::string& name) {
    const auto it = framework_ids_.find(name);
    return it == framework_ids_.end() ? FrameworkId{name} : it->second;
  }
  AgentId agent_id(const std::string& name) {
    const auto it = agent_ids_.find(name);
    return it == agent_ids_.end() ? AgentId{name == "-" ? "" : name} : it->second;
  }
  Stream open(const std::string& name) {
    const Stream stream(++streams_made_);
    streams_[name] = stream;
    names_[stream] = name;
    return stream;
  }
  static OfferId offer_id(const std::string& name) { return {"m-" + name}; }

  // ---- verbs

  bool setup(const Command& command) {
    const std::string& verb = command.verb();
    if (verb == "options") {
      if (command.has("offer_timeout")) {
        options_.offer_timeout = Duration::millis(command.number("offer_timeout", 0));
      }
      for (const std::string& role : split(command.text("roles"), ',')) {
        options_.role_whitelist.insert(role);
      }
      options_.agent_ping_timeout = Duration::millis(command.number("ping", 15'000));
      options_.agent_reregister_timeout = Duration::millis(command.number("reregister", 600'000));
      options_.completed_frameworks_max = static_cast<std::size_t>(command.number("completed", 50));
      options_.root_submissions = !command.has("no_root");
    } else if (verb == "recovered") {
      Recovered event;
      for (const std::string& id : split(command.text("agents"), ',')) {
        event.registry.admitted.push_back({{id}, "host", "10.0.0.1", 5051, ""});
      }
      for (const std::string& lost : split(command.text("unreachable"), ',')) {
        event.registry.unreachable.push_back(lost_record(lost));
      }
      for (const std::string& lost : split(command.text("gone"), ',')) {
        event.registry.gone.push_back(lost_record(lost));
      }
      for (const std::string& text : split(command.text("frameworks"), ',')) {
        event.registry.frameworks.push_back(framework_record(split(text, '/')));
      }
      send(event);
    } else if (verb == "early") {
      return true;
    } else if (verb == "registry") {
      registry_manual_ = command.word(0) == "manual";
    } else if (verb == "done") {
      send(RegistryDone{OperationKey(std::stoull(command.word(0)))});
    } else if (verb == "failed") {
      send(RegistryFailed{OperationKey(std::stoull(command.word(0))), "no quorum"});
    } else if (verb == "wait") {
      wait(Duration::millis(std::stoll(command.word(0))));
    } else if (verb == "notes") {
      notes_ = true;
    } else if (verb == "hangup") {
      send(StreamClosed{streams_[command.word(0)]});
    } else if (verb == "weights") {
      UpdateWeights event;
      for (const auto& [role, weight] : command.arguments) {
        event.weights.push_back({role, resources::parse_milli(weight).value()});
      }
      send(event);
    } else {
      return false;
    }
    return true;
  }

  static LostAgentRecord lost_record(const std::string& text) {
    const auto parts = split(text, ':');
    return {{parts[0]}, WallTime{std::stoll(parts[1])}};
  }

  static FrameworkRecord framework_record(const std::vector<std::string>& parts) {
    FrameworkRecord record;
    record.id.value = parts[0];
    record.state = parts[1] == "connected"      ? FrameworkRecord::State::connected
                   : parts[1] == "disconnected" ? FrameworkRecord::State::disconnected
                                                : FrameworkRecord::State::completed;
    record.since = WallTime{std::stoll(parts[2])};
    record.info.failover_timeout = Duration::millis(std::stoll(parts[3]));
    return record;
  }

  bool framework_call(const Command& command) {
    const std::string& verb = command.verb();
    if (verb == "framework") {
      subscribe(command);
    } else if (verb == "revive") {
      send(Revive{framework_id(command.word(0)), split(command.text("roles"), ',')});
    } else if (verb == "suppress") {
      send(Suppress{framework_id(command.word(0)), split(command.text("roles"), ',')});
    } else if (verb == "teardown") {
      send(Teardown{framework_id(command.word(0))});
    } else if (verb == "operator_teardown") {
      send(OperatorTeardown{framework_id(command.word(0))});
    } else if (verb == "ack") {
      send(Acknowledge{framework_id(command.word(0)),
                       agent_id(command.word(1)),
                       {command.word(2)},
                       uuid_of(std::stoll(command.word(3)))});
    } else if (verb == "kill") {
      send(Kill{framework_id(command.word(0)),
                {command.word(1)},
                agent_id(command.text("agent", "-")),
                ""});
    } else if (verb == "reconcile") {
      Reconcile event;
      event.framework = framework_id(command.word(0));
      for (const std::string& item : split(command.words.size() > 2 ? command.word(1) : "", ',')) {
        const auto parts = split(item, '@');
        event.tasks.push_back({{parts[0]}, agent_id(parts[1])});
      }
      send(event);
    } else if (verb == "message") {
      send(MessageExecutor{
          framework_id(command.word(0)), agent_id(command.word(1)), {command.word(2)}, "hello"});
    } else if (verb == "shutdown") {
      send(ShutdownExecutor{
          framework_id(command.word(0)), agent_id(command.word(1)), {command.word(2)}});
    } else {
      return false;
    }
    return true;
  }

  void subscribe(const Command& command) {
    const std::string& name = command.word(0);
    Subscribe event;
    event.stream = open(name);
    event.info.name = command.text("name", name);
    event.info.user = command.text("user", "nobody");
    event.info.principal = command.text("principal");
    if (command.has("role")) {
      event.info.role = command.text("role");
    }
    event.info.multi_roles = split(command.text("roles"), ',');
    event.info.capabilities.multi_role = command.has("roles") || command.has("multi");
    event.info.capabilities.partition_aware = command.has("aware");
    event.info.failover_timeout = Duration::millis(command.number("timeout", 0));
    if (command.text("timeout") == "absurd") {
      event.info.failover_timeout = std::nullopt;
    }
    for (const std::string& role : split(command.text("suppressed"), ',')) {
      event.suppressed_roles.insert(role);
    }
    event.id = command.has("id")                 ? FrameworkId{command.text("id")}
               : framework_ids_.count(name) != 0 ? framework_ids_[name]
                                                 : FrameworkId();
    send(event);
  }

  bool offer_call(const Command& command) {
    const std::string& verb = command.verb();
    if (verb == "decline") {
      Decline event;
      event.framework = framework_id(command.word(0));
      for (const std::string& id : split(command.word(1), ',')) {
        event.offers.push_back(offer_id(id));
      }
      event.refuse = Duration::millis(command.number("refuse", 5000));
      send(event);
      return true;
    }
    if (verb != "accept") {
      return false;
    }
    Accept event;
    event.framework = framework_id(command.word(0));
    for (const std::string& id : split(command.words.size() > 2 ? command.word(1) : "", ',')) {
      event.offers.push_back(offer_id(id));
    }
    event.refuse = Duration::millis(command.number("refuse", 5000));
    Operation operation;
    operation.type = command.has("group") ? OperationType::launch_group : OperationType::launch;
    for (const std::string& text : split(command.text("tasks"), '|')) {
      operation.tasks.push_back(task_of(command, text));
    }
    if (command.has("tasks")) {
      event.operations.push_back(operation);
    }
    if (command.has("op")) {
      Operation other;
      other.type = OperationType::reserve;
      other.id = command.text("op_id");
      event.operations.push_back(other);
    }
    send(event);
    return true;
  }

  TaskSpec task_of(const Command& command, const std::string& text) {
    const std::size_t colon = text.find(':');
    TaskSpec task;
    task.id.value = text.substr(0, colon);
    task.name = task.id.value;
    if (colon != std::string::npos) {
      task.resources = amount(text.substr(colon + 1)).allocated_to(command.text("allocated"));
    }
    task.agent = agent_id(command.text("agent", "a1"));
    task.has_command = !command.has("executor") || command.has("both");
    task.malformed = command.text("bad");
    if (command.has("executor")) {
      const std::string executor = command.text("executor");
      const std::size_t split_at = executor.find(':');
      ExecutorSpec spec;
      spec.id.value = executor.substr(0, split_at);
      spec.resources =
          split_at == std::string::npos ? Resources() : amount(executor.substr(split_at + 1));
      spec.bytes = command.text("executor_bytes");
      if (command.has("executor_default")) {
        spec.type = ExecutorType::by_default;
      }
      task.executor = spec;
    }
    return task;
  }

  bool agent_call(const Command& command) {
    const std::string& verb = command.verb();
    const auto stream = [&] { return streams_[command.word(0)]; };
    if (verb == "agent") {
      subscribe_agent(command);
    } else if (verb == "update") {
      AgentUpdate event;
      event.stream = stream();
      event.framework = framework_id(command.word(1));
      event.status.task.value = command.word(2);
      event.status.state = state_of(command.word(3));
      event.status.source = StatusSource::executor;
      event.status.agent = agent_id(command.word(0));
      if (command.has("uuid")) {
        event.status.uuid = uuid_of(command.number("uuid", 0));
      }
      event.latest_state = state_of(command.text("latest", command.word(3)));
      send(event);
    } else if (verb == "exited") {
      send(AgentExecutorExited{stream(),
                               framework_id(command.word(1)),
                               {command.word(2)},
                               static_cast<std::int32_t>(std::stol(command.word(3)))});
    } else if (verb == "reply") {
      send(AgentMessage{stream(), framework_id(command.word(1)), {command.word(2)}, "hello"});
    } else if (verb == "accepts") {
      send(AgentAcceptsTasks{stream(), command.word(1) == "1", "disk full"});
    } else if (verb == "goodbye") {
      send(AgentGoodbye{stream(), "stopped"});
    } else if (verb == "gone") {
      send(MarkAgentGone{agent_id(command.word(0))});
    } else if (verb == "pong") {
      send(AgentPong{stream(), 1});
    } else {
      return false;
    }
    return true;
  }

  void subscribe_agent(const Command& command) {
    const std::string& name = command.word(0);
    AgentSubscribe event;
    event.stream = open(name);
    event.info.hostname = command.text("host", name);
    event.info.ip = "10.0.0." + name.substr(1);
    event.info.port = static_cast<std::int32_t>(command.number("port", 5051));
    event.info.total = amount(command.word(1));
    event.info.attributes = resources::parse_attributes(command.text("attributes")).value();
    for (const std::string& text : split(command.text("tasks"), ',')) {
      const auto parts = split(text, '/');
      ReportedTask task;
      task.framework = framework_id(parts[0]);
      task.id.value = parts[1];
      task.state = state_of(parts[2]);
      task.resources = amount(parts[3]).allocated_to(parts.size() > 4 ? parts[4] : "*");
      event.tasks.push_back(task);
      add_framework(event, task.framework, command);
    }
    for (const std::string& text : split(command.text("executors"), ',')) {
      const auto parts = split(text, '/');
      ReportedExecutor executor;
      executor.framework = framework_id(parts[0]);
      executor.spec.id.value = parts[1];
      executor.spec.resources = amount(parts[2]).allocated_to("*");
      event.executors.push_back(executor);
      add_framework(event, executor.framework, command);
    }
    event.accepts_tasks = command.number("accepts", 1) != 0;
    event.why_not = event.accepts_tasks ? "" : "disk full";
    if (!command.has("fresh")) {
      event.id = command.has("id")             ? AgentId{command.text("id")}
                 : agent_ids_.count(name) != 0 ? agent_ids_[name]
                                               : AgentId();
    }
    if (command.has("id")) {
      agent_ids_[name] = event.id;
    }
    send(event);
  }

  static void add_framework(AgentSubscribe& event, const FrameworkId& id, const Command& command) {
    ReportedFramework framework;
    framework.id = id;
    framework.info.name = "reported";
    framework.info.capabilities.partition_aware = command.has("aware");
    framework.info.failover_timeout = Duration::millis(command.number("timeout", 0));
    event.frameworks.push_back(framework);
  }

  bool question(const Command& command) {
    const std::string& verb = command.verb();
    if (verb == "view") {
      show(*core_->view());
    } else if (verb == "check") {
      const std::string which = command.word(1);
      const Stream stream = which == "none" ? Stream() : streams_[which];
      static constexpr const char* names[] = {
          "ok",           "not recovered", "unknown framework", "wrong principal",
          "disconnected", "wrong stream"};
      const std::optional<std::string> principal =
          command.has("principal") ? std::optional(command.text("principal")) : std::nullopt;
      out_ << names[static_cast<std::size_t>(
                  core_->check_call(framework_id(command.word(0)), stream, principal))]
           << "\n";
    } else if (verb == "explain") {
      allocator::Shape shape;
      shape.scalars = resources::parse_quantities(command.word(2)).value();
      out_ << to_string(core_->explain(framework_id(command.word(0)), command.word(1), shape))
           << "\n";
    } else {
      return false;
    }
    return true;
  }

  void show(const View& view) {
    static constexpr const char* agent_states[] = {"recovered", "admitting", "connected",
                                                   "disconnected"};
    static constexpr const char* framework_states[] = {"recovered", "connected", "disconnected",
                                                       "completed"};
    for (const auto& agent : view.agents) {
      out_ << agent->id << " " << agent_states[static_cast<std::size_t>(agent->state)] << " total=["
           << agent->total << "] offered=[" << agent->offered << "] allocated=[" << agent->allocated
           << "]" << (agent->over_committed ? " over-committed" : "")
           << (agent->accepts_tasks ? "" : " accepts nothing: " + agent->why_not) << "\n";
      for (const TaskView& task : agent->tasks) {
        out_ << "  " << task.framework << "/" << task.id << " " << to_string(task.state) << " ["
             << task.resources << "]\n";
      }
      for (const ExecutorView& executor : agent->executors) {
        out_ << "  executor " << executor.framework << "/" << executor.id << " ["
             << executor.resources << "]\n";
      }
    }
    const auto show_framework = [&](const FrameworkView& framework) {
      out_ << framework.id << " " << framework_states[static_cast<std::size_t>(framework.state)]
           << " offered=[" << framework.offered << "] allocated=[" << framework.allocated << "]";
      for (const TaskView& task : framework.completed_tasks) {
        out_ << " " << task.id << "=" << to_string(task.state);
      }
      for (const TaskView& task : framework.unreachable_tasks) {
        out_ << " (" << task.id << "=" << to_string(task.state) << ")";
      }
      out_ << "\n";
    };
    for (const auto& framework : view.frameworks) {
      show_framework(*framework);
    }
    for (const auto& framework : view.completed) {
      show_framework(*framework);
    }
    for (const LostAgentRecord& lost : view.unreachable) {
      out_ << lost.id << " unreachable since " << lost.since << "\n";
    }
    for (const LostAgentRecord& lost : view.gone) {
      out_ << lost.id << " gone since " << lost.since << "\n";
    }
  }

  // ---- events and effects

  void send(EventBody body) {
    Effects effects;
    core_->step(Event{now_, WallTime{now_.millis()}, std::move(body)}, effects);
    bool again = false;
    std::vector<OperationKey> operations;
    for (const Effect& effect : effects) {
      hear(effect, operations, again);
    }
    for (const OperationKey operation : operations) {
      send(RegistryDone{operation});
    }
    if (again) {
      send(Turn{});
    }
  }

  void hear(const Effect& effect, std::vector<OperationKey>& operations, bool& again) {
    std::ostringstream line;
    line << effect;
    if (const auto* wake = std::get_if<WakeAt>(&effect)) {
      wake_ = wake->at;
    } else if (std::holds_alternative<Continue>(effect)) {
      again = true;
    } else if (std::holds_alternative<Note>(effect)) {
      if (notes_) {
        out_ << line.str() << "\n";
      }
    } else if (const auto* framework = std::get_if<ToFramework>(&effect)) {
      const std::string& name = names_[framework->stream];
      if (const auto* subscribed = std::get_if<Subscribed>(&framework->body)) {
        framework_ids_[name] = subscribed->framework;
      }
      out_ << name << " <- " << line.str().substr(line.str().find(": ") + 2) << "\n";
    } else if (const auto* agent = std::get_if<ToAgent>(&effect)) {
      EXPECT_EQ(agent->leadership, options_.leadership);
      const std::string& name = names_[agent->stream];
      if (const auto* registered = std::get_if<Registered>(&agent->body)) {
        agent_ids_[name] = registered->agent;
      }
      if (std::holds_alternative<Ping>(agent->body)) {
        return;
      }
      out_ << name << " <- " << line.str().substr(line.str().find(": ") + 2) << "\n";
    } else if (const auto* registry = std::get_if<ToRegistry>(&effect)) {
      EXPECT_EQ(registry->leadership, options_.leadership);
      out_ << line.str() << "\n";
      if (!registry_manual_) {
        operations.push_back(registry->operation);
      }
    } else if (const auto* close = std::get_if<CloseStream>(&effect)) {
      out_ << names_[close->stream] << " closed: " << close->reason << "\n";
    }
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

  Options options_;
  std::unique_ptr<Core> core_;
  std::map<std::string, FrameworkId> framework_ids_;
  std::map<std::string, AgentId> agent_ids_;
  std::map<std::string, Stream> streams_;
  std::map<Stream, std::string> names_;
  std::uint64_t streams_made_ = 0;
  bool registry_manual_ = false;
  bool notes_ = false;
  Instant now_ = Instant::from_millis(1000);
  Instant wake_ = Instant::max();
  std::ostringstream out_;
};

TEST(MasterCore, does_what_the_scripts_say) {
  script::run_scripts(std::string(SYNOD_SOURCE_DIR) + "/testdata",
                      [] { return std::make_unique<World>(); });
}

}  // namespace
}  // namespace synod::master::core
