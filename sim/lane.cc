// Lanes and processes: what runs, when, and how it ends.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/processes.h"

namespace synod::sim {

SimLane::SimLane(SimProcess& process, std::string name, std::uint64_t seed)
    : process_(process),
      name_(std::move(name)),
      entropy_(seed),
      log_(process),
      clock_(process.world().here()) {}

SimLane::~SimLane() = default;

bool SimLane::try_post(ports::Task task) {
  World& world = process_.world();
  if (ended_ || world.current_ended() || waiting_ >= world.options().lane_tasks_max) {
    return false;
  }
  deliver(world.here(), std::move(task));
  return true;
}

void SimLane::deliver(Instant when, ports::Task task) {
  if (ended_) {
    return;
  }
  World& world = process_.world();
  ++waiting_;
  if (when <= world.now()) {
    enqueue(std::move(task));
    return;
  }
  world.schedule(when, &process_,
                 [this, task = std::move(task)]() mutable { enqueue(std::move(task)); });
}

void SimLane::enqueue(ports::Task task) {
  if (ended_) {
    return;
  }
  tasks_.push_back(std::move(task));
  schedule_turn();
}

void SimLane::schedule_turn() {
  World& world = process_.world();
  if (turn_scheduled_ || process_.paused_ || world.current_ == this) {
    return;
  }
  turn_scheduled_ = true;
  Prng& prng = world.own_prng();
  const WorldOptions& options = world.options();
  Instant when =
      std::max(world.now(), clock_) + Duration::nanos(static_cast<std::int64_t>(prng.below(2000)));
  if (options.turn_late_once_in != 0 && prng.chance(1, options.turn_late_once_in)) {
    when = when + Duration::nanos(prng.between(0, options.turn_late_max.nanos()));
  }
  world.push(when, prng.next() >> 1, &process_, [this] { turn(); });
}

void SimLane::turn() {
  turn_scheduled_ = false;
  if (ended_ || process_.paused_ || tasks_.empty()) {
    return;
  }
  World& world = process_.world();
  world.current_ = this;
  clock_ = std::max(clock_, world.now());
  {
    ports::Task task = std::move(tasks_.front());
    tasks_.pop_front();
    --waiting_;
    task();
  }
  const WorldOptions& options = world.options();
  spend(Duration::nanos(
      world.own_prng().between(options.turn_cost_min.nanos(), options.turn_cost_max.nanos())));
  world.current_ = nullptr;
  if (!ended_ && !tasks_.empty()) {
    schedule_turn();
  }
}

ports::TimerId SimLane::after(Duration delay, ports::Task task) {
  const ports::TimerId id(timer_next_++);
  if (ended_) {
    return id;
  }
  timers_[id] = std::move(task);
  World& world = process_.world();
  const Duration span = process_.machine().to_world(std::max(delay, Duration()));
  world.schedule(world.here() + span, &process_, [this, id] {
    if (timers_.count(id) == 0) {
      return;
    }
    ++waiting_;
    enqueue([this, id] {
      auto it = timers_.find(id);
      if (it != timers_.end()) {
        ports::Task due = std::move(it->second);
        timers_.erase(it);
        due();
      }
    });
  });
  return id;
}

void SimLane::cancel(ports::TimerId timer) {
  auto it = timers_.find(timer);
  if (it != timers_.end()) {
    // Out of the table first: the task's destruction may come back here.
    const ports::Task task = std::move(it->second);
    timers_.erase(it);
  }
}

Instant SimLane::now() const {
  return process_.machine().local_time(std::max(clock_, process_.world().now()));
}

WallTime SimLane::wall() const {
  return process_.machine().wall_time(std::max(clock_, process_.world().now()));
}

void SimLane::end() {
  ended_ = true;
  // Swapped out: destroying a task may post or cancel.
  std::deque<ports::Task> tasks;
  tasks.swap(tasks_);
  tasks.clear();
  std::map<ports::TimerId, ports::Task> timers;
  timers.swap(timers_);
  timers.clear();
}

bool SimLog::enabled(LogLevel level) const { return level >= process_.world().options().log_level; }

void SimLog::write(LogLevel level, std::string_view part, std::string_view line) {
  static constexpr const char* names[] = {"debug", "info", "warning", "error"};
  World& world = process_.world();
  const std::int64_t micros = world.here().nanos() / 1000;
  std::string text = fmt::format("{}.{:06} {} {}: {}", micros / 1'000'000, micros % 1'000'000,
                                 names[static_cast<int>(level)], part, line);
  if (world.options().trace != nullptr) {
    world.trace_line(process_.machine().name() + "/" + process_.name(),
                     fmt::format("{} {}: {}", names[static_cast<int>(level)], part, line));
  }
  // What only a trace asks for is no part of the run: traced or not, its digest is the same.
  if (level == LogLevel::debug) {
    return;
  }
  world.mix(hash64(text));
  process_.log_lines_.push_back(std::move(text));
  if (process_.log_lines_.size() > world.options().log_lines_max) {
    process_.log_lines_.pop_front();
  }
}

SimProcess::SimProcess(SimMachine& machine, ports::ProcessId id, std::string name,
                       std::uint64_t seed)
    : machine_(machine),
      id_(id),
      name_(std::move(name)),
      number_(machine.world().process_next_++),
      prng_(seed),
      processes_(std::make_unique<SimProcesses>(*this)) {
  session = id.pid;
  add_lane("main");
}

SimProcess::~SimProcess() = default;

World& SimProcess::world() const { return machine_.world(); }
ports::Network& SimProcess::network() { return machine_.network(); }
ports::Disk& SimProcess::disk() { return machine_.disk(); }
ports::Host& SimProcess::host() { return machine_.host(); }
ports::Processes& SimProcess::processes() { return *processes_; }

SimLane& SimProcess::add_lane(const std::string& name) {
  lanes_.push_back(std::make_unique<SimLane>(*this, name, prng_.next()));
  return *lanes_.back();
}

void SimProcess::run(Main main) {
  SYNOD_CHECK(!running_);
  running_ = true;
  main_lane().deliver(world().here(), [this, main = std::move(main)] { program_ = main(*this); });
}

bool SimProcess::take_signal(int number) {
  if (!signal_handler_) {
    return false;
  }
  main_lane().deliver(world().here(), [this, number] { signal_handler_(number); });
  return true;
}

void SimProcess::exit(int code) {
  if (!alive_ || ending_) {
    return;
  }
  ending_ = true;
  World& the_world = world();
  if (the_world.current_ != nullptr && &the_world.current_->process_ == this) {
    the_world.current_->ended_ = true;
  }
  const Instant at = the_world.here();
  the_world.schedule(at, this, [this, code, at] {
    end({code, std::nullopt}, at, Silence::peers_hear);
  });
}

void SimProcess::kill(int signal) {
  World& the_world = world();
  const Instant at = the_world.here();
  the_world.schedule(at, this, [this, signal, at] {
    end({std::nullopt, signal}, at, Silence::peers_hear);
  });
}

void SimProcess::pause() { paused_ = true; }

void SimProcess::resume() {
  paused_ = false;
  for (const auto& lane : lanes_) {
    if (!lane->ended_ && !lane->tasks_.empty()) {
      lane->schedule_turn();
    }
  }
}

void SimProcess::end(ports::ExitStatus status, Instant at, Silence silence) {
  if (!alive_) {
    return;
  }
  alive_ = false;
  status_ = status;
  World& the_world = world();
  the_world.note(
      fmt::format("end {}/{} pid {}: {}", machine_.name(), name_, id_.pid, to_string(status)));
  the_world.network().process_ended(*this, silence == Silence::peers_hear);
  machine_.disk().end_process(number_, at);
  the_world.dead_.push_back(this);
}

void SimProcess::destroy_program() {
  for (const auto& lane : lanes_) {
    lane->ended_ = true;
  }
  program_.reset();
  for (const auto& lane : lanes_) {
    lane->end();
  }
  std::vector<std::function<void(SimProcess&)>> told;
  told.swap(ended_);
  for (const auto& tell : told) {
    tell(*this);
  }
}

}  // namespace synod::sim
