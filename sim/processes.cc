#include "sim/processes.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "ports/scope.h"
#include "sim/network.h"

namespace synod::sim {
namespace {

constexpr int signal_kill = 9;
constexpr int signal_continue = 18;
constexpr int signal_stop = 19;

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// Milliseconds of "3", "0.25" or "1.5".
std::int64_t read_millis(const std::string& text) {
  std::int64_t whole = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  std::int64_t millis = whole * 1000;
  std::int64_t unit = 100;
  for (const char* c = rest; *c == '.' || (*c >= '0' && *c <= '9'); ++c) {
    if (*c != '.') {
      millis += unit * (*c - '0');
      unit /= 10;
    }
  }
  return error == std::errc() || !text.empty() ? millis : 0;
}

std::vector<std::string> words_of(const std::vector<std::string>& argv) {
  std::string line;
  const bool shell = argv.size() == 3 && base_name(argv[0]) == "sh" && argv[1] == "-c";
  for (std::size_t i = shell ? 2 : 0; i < argv.size(); ++i) {
    line += argv[i] + " ";
  }
  std::vector<std::string> words;
  std::string word;
  for (const char c : line) {
    if (c == ' ' || c == ';' || c == '&') {
      if (!word.empty()) {
        words.push_back(std::move(word));
        word.clear();
      }
    } else {
      word.push_back(c);
    }
  }
  return words;
}

std::optional<Script> read_default(const std::vector<std::string>& argv) {
  if (argv.empty() || argv[0].starts_with("/missing")) {
    return std::nullopt;
  }
  Script script;
  const std::vector<std::string> words = words_of(argv);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string verb = base_name(words[i]);
    const bool has_next = i + 1 < words.size();
    if (verb == "sleep" && has_next) {
      script.runs = script.runs + Duration::millis(read_millis(words[++i]));
    } else if (verb == "exit" && has_next) {
      script.code = static_cast<int>(read_millis(words[++i]) / 1000);
    } else if (verb == "false") {
      script.code = 1;
    }
  }
  return script;
}

class SimChild final : public ports::Child {
 public:
  SimChild(SimProcess& process, std::map<int, std::unique_ptr<ports::Stream>> pipes,
           std::function<Status(SimProcess&)> run)
      : process_(process), pipes_(std::move(pipes)), run_(std::move(run)) {}
  ~SimChild() override {
    if (run_) {
      process_.kill();  // never released: it ends without having run anything
    }
  }

  ports::ProcessId id() const override { return process_.id(); }
  Status release() override {
    if (!run_) {
      return {};
    }
    auto run = std::move(run_);
    run_ = {};
    return run(process_);
  }
  std::unique_ptr<ports::Stream> take_pipe(int number) override {
    auto it = pipes_.find(number);
    return it == pipes_.end() ? nullptr : std::move(it->second);
  }

 private:
  SimProcess& process_;
  std::map<int, std::unique_ptr<ports::Stream>> pipes_;
  std::function<Status(SimProcess&)> run_;
};

class SimWatch final : public ports::ProcessWatch {
 public:
  ports::Scope scope;
};

}  // namespace

void Programs::add(const std::string& program, const std::string& subcommand, Start start) {
  starts_[{program, subcommand}] = std::move(start);
}

const Programs::Start* Programs::find(const std::vector<std::string>& argv) const {
  if (argv.empty()) {
    return nullptr;
  }
  const std::string program = base_name(argv[0]);
  auto it = starts_.find({program, argv.size() > 1 ? argv[1] : ""});
  if (it == starts_.end()) {
    it = starts_.find({program, ""});
  }
  return it == starts_.end() ? nullptr : &it->second;
}

std::optional<Script> Programs::script(const std::vector<std::string>& argv) const {
  return read_ ? read_(argv) : read_default(argv);
}

Result<std::unique_ptr<ports::Child>> SimProcesses::spawn(ports::Lane&,
                                                          const ports::ProcessSpec& spec) {
  SimMachine& machine = process_.machine();
  World& world = process_.world();
  const std::string name = spec.argv.empty() ? "" : base_name(spec.argv[0]);
  const Programs::Start* start = world.programs().find(spec.argv);
  const std::optional<Script> script =
      start != nullptr ? std::nullopt : world.programs().script(spec.argv);
  if (start == nullptr && !script && !spec.barrier) {
    return Error{ErrorCode::not_found, name + ": no such program"};
  }
  SimProcess& child = machine.start_idle(
      spec.argv.size() > 1 && start != nullptr ? name + "-" + spec.argv[1] : name);
  process_.children.insert(child.id());
  child.argv = spec.argv;
  child.env = spec.env;
  child.session = spec.new_session ? child.id().pid : process_.session;

  auto launch = std::make_shared<Launch>();  // shared with a task that must be copyable
  launch->spec = spec;
  std::map<int, std::unique_ptr<ports::Stream>> parents;
  for (const ports::Descriptor& descriptor : spec.descriptors) {
    using Kind = ports::Descriptor::Kind;
    if (descriptor.kind == Kind::pipe_in || descriptor.kind == Kind::pipe_out) {
      auto [parent_end, child_end] = world.network().make_pipe(process_, child);
      parents[descriptor.number] = std::move(parent_end);
      launch->pipes[descriptor.number] = std::move(child_end);
    }
  }
  auto run = [launch, name, script, start](SimProcess& process) -> Status {
    if (start != nullptr) {
      process.run([launch, start](SimProcess& self) { return (*start)(self, *launch); });
      return {};
    }
    if (!script) {
      process.kill();
      return Error{ErrorCode::not_found, name + ": no such program"};
    }
    process.world().programs().witness(process);
    process.run([script, launch](SimProcess& self) -> Program {
      self.main_lane().after(script->runs, [&self, script] { self.exit(script->code); });
      return launch;  // keeps the pipes open for as long as the process lives
    });
    return {};
  };
  auto result = std::make_unique<SimChild>(child, std::move(parents), run);
  if (!spec.barrier) {
    SYNOD_TRY(result->release());
  } else {
    // The parent's end of the barrier goes with the parent.
    process_.on_end([&child](SimProcess&) {
      if (child.alive() && !child.running()) {
        child.kill();
      }
    });
  }
  return std::unique_ptr<ports::Child>(std::move(result));
}

std::unique_ptr<ports::ProcessWatch> SimProcesses::watch(ports::Lane& lane, ports::ProcessId id,
                                                         Exited exited) {
  auto watch = std::make_unique<SimWatch>();
  auto& sim_lane = static_cast<SimLane&>(lane);
  const bool ours = process_.children.count(id) != 0;
  auto tell =
      watch->scope.wrap([exited = std::move(exited)](ports::ExitStatus status) { exited(status); });
  SimProcess* target = process_.machine().find(id.pid);
  if (target == nullptr || target->id() != id) {
    ports::ExitStatus status;
    for (const auto& process : process_.machine().processes()) {
      if (ours && process->id() == id && process->status()) {
        status = *process->status();
      }
    }
    sim_lane.deliver(process_.world().here(), [tell, status]() mutable { tell(status); });
    return watch;
  }
  target->on_end([&sim_lane, tell, ours](SimProcess& ended) {
    const ports::ExitStatus status = ours ? *ended.status() : ports::ExitStatus{};
    sim_lane.deliver(ended.world().here(), [tell, status]() mutable { tell(status); });
  });
  return watch;
}

Status SimProcesses::signal(ports::ProcessId id, int number) {
  SimProcess* target = process_.machine().find(id.pid);
  if (target == nullptr || target->id() != id) {
    return Error{ErrorCode::not_found, fmt::format("no process {}", id.pid)};
  }
  if (number == signal_stop) {
    target->pause();
  } else if (number == signal_continue) {
    target->resume();
  } else if (number == signal_kill || (number != 0 && !target->take_signal(number))) {
    target->kill(number);
  }
  return {};
}

Status SimProcesses::signal_group(ports::ProcessId id, int number) {
  bool any = false;
  for (const auto& process : process_.machine().processes()) {
    if (process->alive() && process->session == id.pid) {
      any = true;
      SYNOD_TRY(signal(process->id(), number));
    }
  }
  if (!any) {
    return Error{ErrorCode::not_found, fmt::format("no process group {}", id.pid)};
  }
  return {};
}

Result<ports::ProcessId> SimProcesses::find(std::int64_t pid) {
  const SimProcess* process = process_.machine().find(pid);
  if (process == nullptr) {
    return Error{ErrorCode::not_found, fmt::format("no process {}", pid)};
  }
  return process->id();
}

bool SimProcesses::alive(ports::ProcessId id) {
  const SimProcess* process = process_.machine().find(id.pid);
  return process != nullptr && process->id() == id;
}

std::vector<ports::RunningProcess> SimProcesses::find_by_environment(const std::string& name,
                                                                     const std::string& value) {
  std::vector<ports::RunningProcess> found;
  for (const auto& process : process_.machine().processes()) {
    auto it = process->env.find(name);
    if (process->alive() && it != process->env.end() && it->second == value) {
      found.push_back({process->id(), process->argv});
    }
  }
  return found;
}

}  // namespace synod::sim
