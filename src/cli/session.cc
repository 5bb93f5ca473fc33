#include "cli/session.h"

#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/typed.h"

extern char** environ;

namespace synod::cli {
namespace {

constexpr Duration master_timeout = Duration::seconds(2);
// How long a change of leader may take: the session of a silent one, and the answer of the next.
constexpr Duration master_patience = Duration::seconds(8);
constexpr Duration master_pause = Duration::millis(30);

machine::MachineOptions quiet() {
  machine::MachineOptions options;
  options.log_level = LogLevel::error;
  return options;
}

std::vector<std::string> addresses_of(const ClusterFile& file, const std::string& role) {
  std::vector<std::string> addresses;
  for (const ClusterProcess* process : file.of_role(role)) {
    addresses.push_back(process->address);
  }
  return addresses;
}

// "zk://a:1,b:2/mesos" or "a:1,b:2" -> {"a:1", "b:2"}.
std::vector<std::string> servers_of(std::string zk) {
  if (zk.starts_with("zk://")) {
    zk = zk.substr(5);
  }
  zk = zk.substr(0, zk.find('/'));
  std::vector<std::string> servers;
  while (!zk.empty()) {
    const std::size_t comma = zk.find(',');
    servers.push_back(zk.substr(0, comma));
    zk = comma == std::string::npos ? "" : zk.substr(comma + 1);
  }
  return servers;
}

}  // namespace

Session::Session() : machine_(quiet()), client_(machine_.main_lane(), machine_.network()) {}
Session::~Session() = default;

Result<http::Response> Session::call(const std::string& host_port, http::Request request,
                                     Duration timeout) {
  SYNOD_TRY_ASSIGN(const ports::HostPort to, ports::parse_host_port(host_port, 80));
  std::optional<Result<http::Response>> answer;
  http::CallOptions options;
  options.timeout = timeout;
  options.body_size_bytes_max = 256 << 20;
  const auto under_way =
      client_.request(to, std::move(request), options, [&](Result<http::Response> result) {
        answer = std::move(result);
        machine_.stop();
      });
  machine_.run();
  if (!answer) {
    interrupted_ = true;
    return Error{ErrorCode::closed, "interrupted"};
  }
  return std::move(*answer);
}

Result<http::Json> Session::get(const std::string& host_port, const std::string& target,
                                Duration timeout) {
  http::Request request;
  request.target = target;
  SYNOD_TRY_ASSIGN(const http::Response response, call(host_port, std::move(request), timeout));
  if (response.status != 200) {
    return Error{response.status == 404 ? ErrorCode::not_found : ErrorCode::internal,
                 "http://" + host_port + target + " answered " + std::to_string(response.status) +
                     ": " + response.body.substr(0, 200)};
  }
  return http::parse_json(response.body, {64, 256 << 20});
}

bool Session::wait(Duration duration) {
  bool rang = false;
  const ports::TimerId timer = lane().after(duration, [&] {
    rang = true;
    machine_.stop();
  });
  machine_.run();
  if (!rang) {
    interrupted_ = true;
    lane().cancel(timer);
  }
  return rang;
}

void add_target_flags(Flags& flags, TargetOptions* options) {
  flags.text("dir", &options->directory, "the cluster's directory (SYNOD_DIR, then ./.synod)");
  flags.text("zk", &options->zk, "coordinators: zk://host:port,.../mesos");
  flags.text("master", &options->master, "a master: host:port");
  flags.text("output", &options->output, "text or json");
}

std::string default_directory() {
  const char* named = std::getenv("SYNOD_DIR");
  return named != nullptr && *named != '\0' ? named : ".synod";
}

Result<Target> find_target(Session& session, const TargetOptions& options) {
  if (options.output != "text" && options.output != "json") {
    return Error{ErrorCode::invalid_argument,
                 "--output is text or json, not \"" + options.output + "\""};
  }
  Target target;
  target.zk = options.zk;
  target.coordinators = servers_of(options.zk);
  if (!options.master.empty()) {
    target.masters = {options.master};
  }
  std::string directory = options.directory;
  const bool named = !directory.empty();
  if (!named && (!options.zk.empty() || !options.master.empty())) {
    set_typed_flags(options.master.empty() ? "--zk=" + options.zk : "--master=" + options.master);
    return target;
  }
  if (named) {
    set_typed_flags("--dir=" + options.directory);
  }
  if (!named) {
    directory = default_directory();
  }
  directory = absolute_path(directory);
  auto file = read_cluster_file(session.machine().disk(), directory);
  if (!file.ok()) {
    if (file.error().code == ErrorCode::not_found) {
      return Error{ErrorCode::not_found,
                   "no cluster in " + directory +
                       "; start one with `synod up`, or name one by --dir, --zk or --master"};
    }
    return std::move(file).error();
  }
  target.directory = directory;
  target.zk = file->zk;
  target.masters = addresses_of(*file, "master");
  target.services = addresses_of(*file, "services");
  target.coordinators = addresses_of(*file, "coordinator");
  if (target.coordinators.empty()) {
    target.coordinators = servers_of(target.zk);
  }
  target.file = std::move(*file);
  return target;
}

namespace {

// One round over the masters, one redirect followed each.
Result<http::Response> ask_each(Session& session, const Target& target, const std::string& path,
                                Duration timeout) {
  Error last{ErrorCode::unreachable, "no master is known; name one by --master"};
  for (const std::string& master : target.masters) {
    http::Request request;
    request.target = path;
    auto response = session.call(master, request, timeout);
    if (response.ok() && response->status == 307) {
      const auto url = http::parse_url(std::string(response->headers.get("location")));
      if (url.ok()) {
        response = session.call(ports::to_string(url->endpoint), request, timeout);
      }
    }
    if (!response.ok()) {
      last = Error{ErrorCode::unreachable, "master " + master + ": " + response.error().message};
    } else if (response->status != 200) {
      last = Error{response->status == 404 ? ErrorCode::not_found : ErrorCode::unreachable,
                   "master " + master + " answered " + std::to_string(response->status) + ": " +
                       response->body.substr(0, 200)};
    } else {
      return response;
    }
    if (session.interrupted()) {
      return Error{ErrorCode::closed, "interrupted"};
    }
  }
  return last;
}

}  // namespace

bool may_recover(Session& session, const Target& target) {
  return target.file && session.machine().processes().alive(target.file->supervisor);
}

Result<http::Json> ask_master(Session& session, const Target& target, const std::string& path) {
  const Instant started = session.lane().now();
  // A silent master takes connections and answers nothing: at first it is not waited for long.
  Duration timeout = Duration::millis(500);
  bool told = false;
  while (true) {
    const auto response = ask_each(session, target, path, timeout);
    if (response.ok()) {
      return http::parse_json(response->body, {64, 256 << 20});
    }
    const Duration waited = session.lane().now() - started;
    if (response.error().code != ErrorCode::unreachable || !target.patient) {
      return response.error();
    }
    if (!may_recover(session, target)) {
      return target.file ? Error{ErrorCode::unreachable, "nothing runs in " + target.directory +
                                                             " (" + response.error().message +
                                                             "); start it with `synod up`"}
                         : response.error();
    }
    if (waited > master_patience) {
      return response.error();
    }
    if (!told && ::isatty(STDERR_FILENO) != 0) {
      told = true;
      std::fprintf(stderr, " no master leads just now; waiting\n");
    }
    timeout = std::min(timeout * 2, master_timeout);
    if (!session.wait(master_pause)) {
      return Error{ErrorCode::closed, "interrupted"};
    }
  }
}

int fail(const std::string& command, const Error& error, const std::string& advice) {
  std::fprintf(stderr, "synod %s: %s\n", command.c_str(), as_typed(error.message).c_str());
  if (!advice.empty()) {
    std::fprintf(stderr, "try: %s\n", as_typed(advice).c_str());
  }
  switch (error.code) {
    case ErrorCode::invalid_argument: return exit_usage;
    case ErrorCode::unreachable:
    case ErrorCode::refused:
    case ErrorCode::closed: return exit_unreachable;
    case ErrorCode::timed_out: return exit_timed_out;
    default: return exit_failed;
  }
}

std::string own_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "synod" : path.string();
}

std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string assignment = *entry;
    const std::size_t equals = assignment.find('=');
    if (equals != std::string::npos) {
      environment[assignment.substr(0, equals)] = assignment.substr(equals + 1);
    }
  }
  return environment;
}

std::string absolute_path(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  return error ? path
               : (absolute.size() > 1 && absolute.back() == '/'
                      ? absolute.substr(0, absolute.size() - 1)
                      : absolute);
}

}  // namespace synod::cli
