#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/processes.h"

namespace synod::sim {

// std::push_heap keeps the greatest in front, so the earliest must count as the greatest.
bool World::Later::operator()(const Event& a, const Event& b) const {
  if (a.at != b.at) {
    return a.at > b.at;
  }
  if (a.order != b.order) {
    return a.order > b.order;
  }
  return a.sequence > b.sequence;
}

World::World(WorldOptions options)
    : options_(options),
      prng_(options.seed),
      user_prng_(prng_.fork()),
      now_(Instant::from_millis(1000)),
      programs_(std::make_unique<Programs>()) {
  network_ = std::make_unique<SimNetwork>(*this, prng_.next());
}

World::~World() {
  // Programs first, then what they may have left in queues, then what those rest on.
  for (const auto& machine : machines_) {
    for (const auto& process : machine->processes()) {
      process->ended_.clear();  // whoever wanted to hear of it may be gone already
      process->end({std::nullopt, 9}, now_, SimProcess::Silence::peers_do_not);
    }
  }
  bury();
  queue_.clear();
  network_.reset();
  machines_.clear();
}

Instant World::here() const { return current_ != nullptr ? current_->clock() : now_; }

SimProcess* World::current_process() const {
  return current_ != nullptr ? &current_->process() : nullptr;
}

bool World::current_ended() const { return current_ != nullptr && current_->ended_; }

SimMachine& World::add_machine(const MachineOptions& options) {
  machines_.push_back(std::make_unique<SimMachine>(*this, options, prng_.next()));
  return *machines_.back();
}

SimMachine* World::find_machine(const std::string& address_or_name) const {
  for (const auto& machine : machines_) {
    if (machine->address() == address_or_name || machine->name() == address_or_name) {
      return machine.get();
    }
  }
  return nullptr;
}

void World::push(Instant when, std::uint64_t order, const SimProcess* owner, ports::Task task) {
  queue_.push_back(Event{std::max(when, now_), order, sequence_next_++, owner, std::move(task)});
  std::push_heap(queue_.begin(), queue_.end(), Later{});
}

void World::schedule(Instant when, const SimProcess* owner, ports::Task task) {
  push(when, 0, owner, std::move(task));
}

void World::at(Instant when, ports::Task task) { push(when, 0, nullptr, std::move(task)); }

bool World::step() {
  if (queue_.empty()) {
    return false;
  }
  std::pop_heap(queue_.begin(), queue_.end(), Later{});
  Event event = std::move(queue_.back());
  queue_.pop_back();
  now_ = event.at;
  if (event.owner != nullptr && !event.owner->alive()) {
    return true;  // W1
  }
  ++events_;
  mix(hash_mix(static_cast<std::uint64_t>(event.at.nanos()), event.sequence));
  event.task();
  bury();
  return true;
}

void World::run_until(Instant moment) {
  while (!queue_.empty() && queue_.front().at <= moment) {
    step();
  }
  now_ = std::max(now_, moment);
}

bool World::run_until(Instant deadline, const std::function<bool()>& condition) {
  while (!condition()) {
    if (queue_.empty() || queue_.front().at > deadline) {
      now_ = std::max(now_, deadline);
      return condition();
    }
    step();
  }
  return true;
}

void World::bury() {
  while (!dead_.empty()) {
    std::vector<SimProcess*> dead;
    dead.swap(dead_);
    for (SimProcess* process : dead) {
      process->destroy_program();
    }
  }
}

void World::mix(std::uint64_t word) { digest_ = hash_mix(digest_, word); }

void World::note(std::string_view line) {
  mix(hash64(line));
  if (options_.trace != nullptr) {
    trace_line("*", line);
  }
}

void World::trace_line(const std::string& who, std::string_view line) {
  const std::int64_t micros = here().nanos() / 1000;
  *options_.trace << fmt::format("{:5}.{:06} {:<24} {}\n", micros / 1'000'000, micros % 1'000'000,
                                 who, line);
}

void World::print_logs(std::ostream& out) const {
  for (const auto& machine : machines_) {
    for (const auto& process : machine->processes()) {
      if (process->log_lines_.empty()) {
        continue;
      }
      out << "--- " << machine->name() << "/" << process->name() << " pid " << process->id().pid
          << (process->alive() ? "" : " (ended)") << "\n";
      for (const std::string& line : process->log_lines_) {
        out << line << "\n";
      }
    }
  }
}

}  // namespace synod::sim
