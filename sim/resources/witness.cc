#include "sim/resources/witness.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "sim/machine.h"
#include "sim/processes.h"

namespace synod::sim::resources {
namespace {

// A master may hear of a task's end a little before its processes are all gone.
constexpr Duration told_early_max = Duration::millis(500);
// Until an executor begins to write down the end that it saw,
constexpr Duration end_noticed_max = Duration::millis(10);
// and what it then asks of its disk, with room to spare.
constexpr std::int64_t end_flushes_max = 3;
constexpr std::int64_t end_calls_max = 20;

Duration end_written_max(SimMachine& machine) {
  const DiskOptions& disk = machine.options().disk;
  const Duration quick =
      disk.flush_latency_max * end_flushes_max + disk.call_latency * end_calls_max;
  return end_noticed_max + quick * machine.disk().faults().slowness;
}

std::string show(const RunRecord& run) {
  return fmt::format("{} on {} from {} ms to {}, {}", run.task, run.machine, run.began.millis(),
                     run.ended ? fmt::format("{} ms", run.ended->millis()) : "now",
                     to_string(run.status));
}

// The terminal state that a framework must be told of such an end; empty if several will do.
std::string expected_state(const RunRecord& run) {
  if (run.power_lost || run.status.signal) {
    return "";
  }
  return run.status.code == 0 ? "TASK_FINISHED" : "TASK_FAILED";
}

// Nobody can know of an end that was on no disk yet when the power went.
bool perhaps_unwritten(const RunRecord& run) {
  return run.power_lost_after && *run.power_lost_after - *run.ended < run.end_written_within;
}

void judge_run(const RunRecord& run, const TaskRecord& task, std::vector<std::string>& findings) {
  if (run.status.signal && !run.power_lost && !task.kill_asked) {
    findings.push_back("killed though nobody asked for it: " + show(run));
  }
  if (!run.ended) {
    if (!task.terminal.empty()) {
      findings.push_back(fmt::format("told {} while it still runs: {}", task.terminal, show(run)));
    }
    return;
  }
  if (task.terminal.empty()) {
    findings.push_back("its end was never told: " + show(run));
    return;
  }
  if (task.terminal_at + told_early_max < *run.ended) {
    findings.push_back(fmt::format("told {} at {} ms, before its end: {}", task.terminal,
                                   task.terminal_at.millis(), show(run)));
  }
  if (perhaps_unwritten(run) && task.terminal == "TASK_FAILED") {
    return;
  }
  const std::string expected = expected_state(run);
  if (!expected.empty() && task.terminal != expected &&
      !(task.kill_asked && task.terminal == "TASK_KILLED")) {
    findings.push_back(fmt::format("told {}, not {}: {}", task.terminal, expected, show(run)));
  }
}

}  // namespace

Witness::Witness(World& world, Amount agent_total) : world_(world), agent_total_(agent_total) {
  world_.programs().set_witness([this](SimProcess& process) { on_start(process); });
}

Witness::~Witness() { world_.programs().set_witness({}); }

void Witness::on_start(SimProcess& process) {
  if (process.argv.empty()) {
    return;
  }
  const std::size_t at = process.argv.back().rfind("task ");
  if (at == std::string::npos) {
    return;
  }
  RunRecord run;
  std::istringstream words(process.argv.back().substr(at + 5));
  words >> run.task >> run.amount.cpus_milli >> run.amount.mem_milli;
  run.machine = process.machine().name();
  watch_power(process.machine());
  run.began = world_.here();
  runs_.push_back(run);
  const Amount used = running(run.machine);
  if (!used.fits(agent_total_)) {
    complaints_.push_back(fmt::format("{} uses {} thousandths of a cpu, its agent has {}: {}",
                                      run.machine, used.cpus_milli, agent_total_.cpus_milli,
                                      show(run)));
  }
  process.on_end([this, index = runs_.size() - 1](SimProcess& ended) {
    RunRecord& record = runs_[index];
    record.ended = world_.now();
    record.status = *ended.status();
    record.power_lost = !ended.machine().powered();
    record.end_written_within = end_written_max(ended.machine());
  });
}

// The machine is asked, not what runs there: the last of its tasks may have ended by then.
void Witness::watch_power(SimMachine& machine) {
  if (!watched_.insert(machine.name()).second) {
    return;
  }
  machine.on_power_off([this](SimMachine& dark) {
    for (RunRecord& run : runs_) {
      if (run.machine == dark.name() && run.ended && !run.power_lost && !run.power_lost_after) {
        run.power_lost_after = world_.now();
        run.end_written_within = std::max(run.end_written_within, end_written_max(dark));
      }
    }
  });
}

Amount Witness::running(const std::string& machine) const {
  Amount used;
  for (const RunRecord& run : runs_) {
    if (run.machine == machine && !run.ended) {
      used.add(run.amount);
    }
  }
  return used;
}

std::vector<std::string> judge(const Witness& witness,
                               const std::map<std::string, TaskRecord>& tasks) {
  std::vector<std::string> findings = witness.complaints();
  std::map<std::string, const RunRecord*> first;
  for (const RunRecord& run : witness.runs()) {
    const auto [it, fresh] = first.try_emplace(run.task, &run);
    if (!fresh) {
      findings.push_back(fmt::format("ran twice: {} AND {}", show(*it->second), show(run)));
    }
    auto task = tasks.find(run.task);
    if (task == tasks.end()) {
      findings.push_back("ran though no framework launched it: " + show(run));
    } else {
      judge_run(run, task->second, findings);
    }
  }
  for (const auto& [id, task] : tasks) {
    if (first.count(id) == 0 && (task.terminal == "TASK_FINISHED" || task.running_seen)) {
      findings.push_back(fmt::format("told of {} as {} though it never ran", id, task.state));
    }
  }
  return findings;
}

}  // namespace synod::sim::resources
