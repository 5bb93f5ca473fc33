#include "executor/node.h"

#include <algorithm>

#include "executor/end_record.h"
#include "mesos/v1.h"
#include "mesos/v1/executor.pb.h"
#include "ports/entropy.h"

namespace synod::executor {

namespace {

namespace v1 = ::mesos::v1;

// Of the agent's patience with a shutdown, what telling it takes.
constexpr Duration shutdown_reserve = Duration::seconds(1);

std::string words_of(const ports::ExitStatus& status) {
  if (status.code) {
    return "Command exited with status " + std::to_string(*status.code);
  }
  if (status.signal) {
    return "Command terminated with signal " + ports::signal_name(*status.signal);
  }
  return "Command ended unseen";
}

Duration grace_of(const v1::KillPolicy& policy, Duration otherwise) {
  return policy.has_grace_period()
             ? Duration::nanos(std::max<std::int64_t>(policy.grace_period().nanoseconds(), 0))
             : otherwise;
}

// Ours, for ourselves: no business of the command.
bool is_private(const std::string& name) {
  return name == "SYNOD_COMMAND_USER" || name == "SYNOD_ENDPOINT_FILE" ||
         name == "LIBPROCESS_PORT" || name == "MESOS_HTTP_COMMAND_EXECUTOR" ||
         name == "MESOS_RECOVERY_TIMEOUT" || name == "MESOS_SUBSCRIPTION_BACKOFF_MAX" ||
         name == "MESOS_CHECKPOINT" || name == "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD";
}

}  // namespace

Node::Node(const Options& options, ports::Lane& lane, ports::Network& network, ports::Disk& disk,
           ports::Processes& processes, std::function<void(int)> finished)
    : options_(options),
      lane_(lane),
      disk_(disk),
      processes_(processes),
      finished_(std::move(finished)),
      link_(options.link, lane, network, disk,
            AgentLinkHandler{[this](const v1::executor::Event& event) { on_event(event); },
                             [this](const std::string& reason) {
                               lane_.log().error("executor", "gives up: {}", reason);
                               link_gone_ = true;
                               shutdown();
                             }}) {}

Node::~Node() {
  lane_.cancel(kill_timer_);
  lane_.cancel(overtime_timer_);
}

void Node::start() { link_.start(); }

void Node::on_event(const v1::executor::Event& event) {
  switch (event.type()) {
    case v1::executor::Event::SUBSCRIBED:
      for (const auto& capability : event.subscribed().framework_info().capabilities()) {
        wants_killing_ = wants_killing_ ||
                         capability.type() == v1::FrameworkInfo::Capability::TASK_KILLING_STATE;
      }
      break;
    case v1::executor::Event::LAUNCH: launch(event.launch().task()); break;
    case v1::executor::Event::KILL:
      if (task_ != nullptr && event.kill().task_id().value() == task_->task_id().value()) {
        kill(grace_of(event.kill().kill_policy(),
                      grace_of(task_->kill_policy(), Duration::seconds(3))));
      }
      break;
    case v1::executor::Event::ACKNOWLEDGED: finish_when_settled(); break;
    case v1::executor::Event::SHUTDOWN: shutdown(); break;
    default: break;
  }
}

void Node::launch(const v1::TaskInfo& task) {
  if (task_ != nullptr) {
    if (task_->task_id().value() != task.task_id().value()) {
      lane_.log().error("executor", "ignored a second task {}", task.task_id().value());
    }
    return;
  }
  task_ = std::make_unique<v1::TaskInfo>(task);
  link_.hold_task(task);
  send(v1::TASK_STARTING, "");
  auto child = processes_.spawn(lane_, command_spec());
  if (!child.ok()) {
    end(v1::TASK_FAILED, "Failed to start the command: " + child.error().message,
        ports::ExitStatus{});
    return;
  }
  child_ = std::move(*child);
  phase_ = Phase::running;
  lane_.log().info("executor", "task {} runs as pid {}", task.task_id().value(), child_->id().pid);
  watch_ =
      processes_.watch(lane_, child_->id(),
                       scope_.wrap([this](const ports::ExitStatus& status) { on_exit(status); }));
  send(v1::TASK_RUNNING, "");
  if (task.has_max_completion_time()) {
    overtime_timer_ =
        lane_.after(Duration::nanos(task.max_completion_time().nanoseconds()), scope_.wrap([this] {
          overtime_ = true;
          kill_now();
        }));
  }
}

ports::ProcessSpec Node::command_spec() const {
  const v1::CommandInfo& command = task_->command();
  ports::ProcessSpec spec;
  if (command.shell()) {
    spec.argv = {"/bin/sh", "-c", command.value()};
  } else {
    // The first argument is the name under which it runs, by Mesos' custom; we run it by its path.
    spec.argv = {command.value()};
    for (int i = 1; i < command.arguments_size(); ++i) {
      spec.argv.push_back(command.arguments(i));
    }
  }
  for (const auto& [name, value] : options_.environment) {
    if (!is_private(name)) {
      spec.env[name] = value;
    }
  }
  spec.env["MESOS_TASK_ID"] = task_->task_id().value();
  for (const auto& resource : task_->resources()) {
    if (resource.has_allocation_info()) {
      spec.env["MESOS_ALLOCATION_ROLE"] = resource.allocation_info().role();
    }
  }
  for (const auto& variable : command.environment().variables()) {
    spec.env[variable.name()] = variable.value();
  }
  spec.directory = options_.sandbox;
  spec.user = options_.command_user;
  spec.new_session = true;
  using Kind = ports::Descriptor::Kind;
  spec.descriptors = {{1, Kind::append_file, options_.sandbox + "/stdout"},
                      {2, Kind::append_file, options_.sandbox + "/stderr"}};
  return spec;
}

void Node::kill(Duration grace) {
  if (phase_ != Phase::running) {
    return;
  }
  const Instant deadline = lane_.now() + grace;
  if (kill_deadline_ && *kill_deadline_ <= deadline) {
    return;
  }
  kill_deadline_ = deadline;
  if (!killed_) {
    killed_ = true;
    if (wants_killing_) {
      send(v1::TASK_KILLING, "");
    }
    if (const Status sent = processes_.signal_group(child_->id(), ports::signal_terminate);
        !sent.ok()) {
      lane_.log().info("executor", "SIGTERM: {}", to_string(sent.error()));
    }
  }
  lane_.cancel(kill_timer_);
  kill_timer_ = lane_.after(grace, scope_.wrap([this] { kill_now(); }));
}

void Node::kill_now() {
  if (phase_ == Phase::running) {
    if (const Status sent = processes_.signal_group(child_->id(), ports::signal_kill); !sent.ok()) {
      lane_.log().info("executor", "SIGKILL: {}", to_string(sent.error()));
    }
  }
}

void Node::shutdown() {
  switch (phase_) {
    case Phase::waiting: finish(0); return;
    case Phase::running:
      kill(std::max(options_.shutdown_grace - shutdown_reserve, options_.shutdown_grace / 2));
      return;
    case Phase::ended: finish_when_settled(); return;
  }
}

void Node::on_exit(const ports::ExitStatus& status) {
  std::string message = words_of(status);
  v1::TaskState state = status.code == 0 ? v1::TASK_FINISHED : v1::TASK_FAILED;
  if (overtime_) {
    state = v1::TASK_FAILED;
    message = "Exceeded its max_completion_time: " + message;
  } else if (killed_) {
    state = v1::TASK_KILLED;
  }
  end(state, message, status);
}

void Node::end(v1::TaskState state, const std::string& message, const ports::ExitStatus& status) {
  v1::TaskStatus last = make_status(state, message);
  phase_ = Phase::ended;
  lane_.cancel(kill_timer_);
  lane_.cancel(overtime_timer_);
  lane_.log().info("executor", "{}", message);
  // X1. If the disk refuses, telling is all that is left.
  if (const Status written = write_end_record(disk_, options_.state_directory, status, &last);
      !written.ok()) {
    lane_.log().error("executor", "the end is not on disk: {}", to_string(written.error()));
  }
  link_.send(last);
  finish_when_settled();
}

void Node::send(v1::TaskState state, const std::string& message) {
  link_.send(make_status(state, message));
}

v1::TaskStatus Node::make_status(v1::TaskState state, const std::string& message) {
  v1::TaskStatus status;
  *status.mutable_task_id() = task_->task_id();
  status.mutable_executor_id()->set_value(options_.link.executor_id);
  status.set_state(state);
  status.set_source(v1::TaskStatus::SOURCE_EXECUTOR);
  if (!message.empty()) {
    status.set_message(message);
  }
  if (overtime_ && state == v1::TASK_FAILED) {
    status.set_reason(v1::TaskStatus::REASON_MAX_COMPLETION_TIME_REACHED);
  }
  status.set_timestamp(static_cast<double>(lane_.wall().millis) / 1000.0);
  const Uuid uuid = lane_.entropy().uuid();
  status.set_uuid(std::string(uuid.bytes.begin(), uuid.bytes.end()));
  if (child_ != nullptr) {
    // The task's pid is the command's.
    status.mutable_container_status()->set_executor_pid(
        static_cast<std::uint32_t>(child_->id().pid));
  }
  return status;
}

void Node::finish_when_settled() {
  if (phase_ == Phase::ended && (link_.settled() || link_gone_)) {
    finish(0);
  }
}

void Node::finish(int code) {
  if (!finishing_) {
    finishing_ = true;
    lane_.after(Duration(), scope_.wrap([this, code] { finished_(code); }));
  }
}

}  // namespace synod::executor
