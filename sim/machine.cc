#include "sim/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "sim/network.h"
#include "sim/processes.h"

namespace synod::sim {

SimMachine::SimMachine(World& world, const MachineOptions& options, std::uint64_t seed)
    : world_(world),
      options_(options),
      prng_(seed),
      disk_(*this, prng_.next(), options.disk),
      host_(*this),
      network_(make_network_view(world.network(), *this)) {}

SimMachine::~SimMachine() = default;

SimProcess& SimMachine::start(const std::string& name, Main main) {
  SimProcess& process = start_idle(name);
  process.run(std::move(main));
  return process;
}

SimProcess& SimMachine::start_idle(const std::string& name) {
  SYNOD_CHECK(powered_);
  const ports::ProcessId id{pid_next_++, start_time_next_++};
  processes_.push_back(std::make_unique<SimProcess>(*this, id, name, prng_.next()));
  world_.note(fmt::format("start {}/{} pid {}", options_.name, name, id.pid));
  return *processes_.back();
}

SimProcess* SimMachine::find(std::int64_t pid) const {
  for (const auto& process : processes_) {
    if (process->alive() && process->id().pid == pid) {
      return process.get();
    }
  }
  return nullptr;
}

void SimMachine::power_off() {
  if (!powered_) {
    return;
  }
  SYNOD_CHECK(world_.current_ == nullptr);
  const Instant at = world_.now();
  world_.note(fmt::format("power off {}", options_.name));
  for (const auto& process : processes_) {
    process->end({std::nullopt, 9}, at, SimProcess::Silence::peers_do_not);
  }
  disk_.power_cut(at);
  powered_ = false;
  for (const auto& told : power_told_) {
    told(*this);
  }
}

void SimMachine::power_off_at_operation(std::uint64_t operation) {
  disk_.lose_power_at_operation(disk_.operations() + operation, [this] {
    if (world_.current_ != nullptr) {
      world_.current_->ended_ = true;
    }
    world_.schedule(world_.here(), nullptr, [this] { power_off(); });
  });
}

void SimMachine::power_on() {
  if (!powered_) {
    world_.note(fmt::format("power on {}", options_.name));
    powered_ = true;
    ++boots_;
    pid_next_ = 100;
  }
}

// The product of a long run and a drift in millionths passes 64 bits, so it is taken apart.
Instant SimMachine::local_time(Instant world_time) const {
  const std::int64_t elapsed = world_time.nanos();
  const std::int64_t drift = elapsed / 1'000'000 * options_.clock_drift_ppm +
                             elapsed % 1'000'000 * options_.clock_drift_ppm / 1'000'000;
  return world_time + Duration::nanos(drift) + options_.clock_offset;
}

WallTime SimMachine::wall_time(Instant world_time) const {
  constexpr std::int64_t wall_base_ms = 1'767'225'600'000;  // 2026-01-01
  return WallTime{wall_base_ms + local_time(world_time).millis() + wall_offset_.millis()};
}

Duration SimMachine::to_world(Duration local) const {
  const std::int64_t per_million = 1'000'000 + options_.clock_drift_ppm;
  return Duration::nanos(local.nanos() / per_million * 1'000'000 +
                         local.nanos() % per_million * 1'000'000 / per_million);
}

void SimMachine::spend(Duration span) {
  if (world_.current_ != nullptr) {
    world_.current_->spend(span);
  }
}

std::uint64_t SimMachine::owner() const {
  const SimProcess* process = world_.current_process();
  return process != nullptr ? process->number() : 0;
}

void SimGate::enter_read(std::size_t place) {
  SYNOD_CHECK(!writing_);
  ++readers_[place];
}

void SimGate::leave_read(std::size_t place) {
  SYNOD_CHECK(readers_[place] > 0);
  --readers_[place];
}

void SimGate::enter_write() {
  SYNOD_CHECK(!writing_);
  for (const auto& [place, count] : readers_) {
    SYNOD_CHECK(count == 0);
  }
  writing_ = true;
}

void SimGate::leave_write() {
  SYNOD_CHECK(writing_);
  writing_ = false;
}

std::string SimHost::name() const { return machine_.name(); }
std::int64_t SimHost::cpus_milli() const { return machine_.options().cpus_milli; }
std::uint64_t SimHost::memory_bytes() const { return machine_.options().memory_bytes; }

Result<ports::Space> SimHost::disk_space(const std::string& path) const {
  return machine_.disk().space(path);
}

Result<ports::MachineUsage> SimHost::usage() const {
  ports::MachineUsage usage;
  const Duration up = machine_.world().here() - Instant();
  usage.cpu_busy = up / 10;
  usage.cpu_idle = up * cpus_milli() / 1000 - usage.cpu_busy;
  usage.memory_available_bytes = memory_bytes() - memory_taken_;
  return usage;
}

std::string SimHost::boot_id() const {
  const std::uint64_t high = hash64(machine_.name());
  return to_string(uuid_from_words(high, hash_mix(high, machine_.boots())));
}

Result<ports::Usage> SimHost::usage_of(ports::ProcessId id) const {
  const SimProcess* process = machine_.find(id.pid);
  if (process == nullptr || process->id() != id) {
    return Error{ErrorCode::not_found, fmt::format("no process {}", id.pid)};
  }
  ports::Usage usage;
  usage.cpu_user = (machine_.world().here() - Instant()) / 100;
  usage.memory_bytes = 8 << 20;
  usage.processes = 1;
  return usage;
}

Result<ports::Usage> SimHost::usage_of_cgroup(const std::string& path) const {
  return Error{ErrorCode::unsupported, path + ": no cgroups here"};
}

}  // namespace synod::sim
