// What a command of the user needs of the machine: blocking calls on top of the ports.
//
// A command is a short program: it asks, waits, prints. Session turns the main Lane until the
// answer is there.
//
// Threads: the main thread only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "cli/cluster_file.h"
#include "http/client.h"
#include "http/json.h"
#include "machine/machine.h"

namespace synod::cli {

class Session {
 public:
  Session();
  ~Session();

  machine::Machine& machine() { return machine_; }
  ports::Lane& lane() { return machine_.main_lane(); }

  // One request, whole answer.
  Result<http::Response> call(const std::string& host_port, http::Request request,
                              Duration timeout);
  // GET whose answer is 200 and JSON; other statuses are errors with the answer's text.
  Result<http::Json> get(const std::string& host_port, const std::string& target,
                         Duration timeout = Duration::seconds(2));

  // Turns the Lane for a while; false if a signal (Ctrl-C) came.
  bool wait(Duration duration);
  bool interrupted() const { return interrupted_; }

 private:
  machine::Machine machine_;
  http::Client client_;
  bool interrupted_ = false;
};

// Where the cluster is: what --dir, SYNOD_DIR, ./.synod, then --zk or --master lead to.
struct Target {
  std::string directory;              // empty if not found by directory
  std::optional<ClusterFile> file;    // of that directory
  std::string zk;                     // zk://host:port,.../mesos; empty if unknown
  std::vector<std::string> masters;   // host:port
  std::vector<std::string> services;  // host:port; empty: asked of the master
  std::vector<std::string> coordinators;
  bool patient = true;  // ask_master waits for the end of a change of leader
};

struct TargetOptions {
  std::string directory;
  std::string zk;
  std::string master;
  std::string output = "text";  // or json
};

class Flags;
// --dir, --zk, --master, --output.
void add_target_flags(Flags& flags, TargetOptions* options);

// SYNOD_DIR, or else .synod.
std::string default_directory();

// not_found, with a sentence that says what to do.
Result<Target> find_target(Session& session, const TargetOptions& options);

// Whether waiting may help one who gets no answer: by --dir, as long as its supervisor lives.
bool may_recover(Session& session, const Target& target);

// The leading master's GET answer: asks the masters in turn, follows one redirect, and waits for
// the end of a change of leader. unreachable if none answers.
Result<http::Json> ask_master(Session& session, const Target& target, const std::string& path);

// Prints "synod NAME: message" and what to do; returns the exit code that belongs to the error.
int fail(const std::string& command, const Error& error, const std::string& advice = "");

// The path of this program, for starting it again.
std::string own_path();
// This process's environment.
std::map<std::string, std::string> own_environment();
// "./x" made absolute.
std::string absolute_path(const std::string& path);

}  // namespace synod::cli
