#include "sim/program/children.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

namespace synod::sim {
namespace {

// A run that takes longer than this on the wall is stuck.
constexpr unsigned seconds_max = 120;

// One process for one seed: its verdict as text through a pipe, or the way in which it died.
struct Child {
  pid_t pid = 0;
  int pipe = -1;
  std::uint64_t seed = 0;
  std::string text;
};

std::string report(const Verdict& verdict) {
  std::string text = fmt::format("{}\n{} strikes {} simulated {} ms\n", verdict.parameters,
                                 verdict.summary, verdict.strikes, verdict.simulated.millis());
  for (const std::string& finding : verdict.findings) {
    text += finding + "\n";
  }
  return text;
}

Child start(const RunOptions& options) {
  int ends[2];
  if (pipe(ends) != 0) {
    std::cerr << "synod_sim: no pipe\n";
    std::exit(1);
  }
  std::cout.flush();
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    dup2(ends[1], 2);  // the words of a failed check belong to the seed too
    alarm(seconds_max);
    const Verdict verdict = run_seed(options);
    const std::string text = (verdict.good() ? "good\n" : "bad\n") + report(verdict);
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t n = write(ends[1], text.data() + done, text.size() - done);
      if (n <= 0) {
        break;
      }
      done += static_cast<std::size_t>(n);
    }
    _exit(0);
  }
  close(ends[1]);
  return Child{pid, ends[0], options.seed, ""};
}

Outcome finish(Child& child) {
  int status = 0;
  waitpid(child.pid, &status, 0);
  close(child.pipe);
  Outcome outcome;
  outcome.seed = child.seed;
  if (WIFSIGNALED(status)) {
    const bool stuck = WTERMSIG(status) == SIGALRM;
    outcome.text =
        fmt::format("{} {}\n{}", stuck ? "stuck for" : "ended by signal",
                    stuck ? seconds_max : static_cast<unsigned>(WTERMSIG(status)), child.text);
    return outcome;
  }
  outcome.good = child.text.starts_with("good\n");
  outcome.judged = !outcome.good && child.text.find("bad\n") != std::string::npos;
  outcome.text = child.text;
  return outcome;
}

}  // namespace

std::uint64_t number_behind(const std::string& text, const std::string& word,
                            std::uint64_t otherwise) {
  const std::size_t at = text.find(word);
  return at == std::string::npos ? otherwise
                                 : std::strtoull(text.c_str() + at + word.size(), nullptr, 10);
}

// Runs seeds until `heard` says stop or none is left.
void run_many(const RunOptions& base, const std::vector<std::uint64_t>& seeds, unsigned jobs,
              const std::function<bool(const Outcome&)>& heard) {
  std::vector<Child> children;
  std::size_t next = 0;
  bool stop = false;
  while (!children.empty() || (next < seeds.size() && !stop)) {
    while (!stop && next < seeds.size() && children.size() < jobs) {
      RunOptions options = base;
      options.seed = seeds[next++];
      children.push_back(start(options));
    }
    std::vector<pollfd> polls;
    for (const Child& child : children) {
      polls.push_back({child.pipe, POLLIN, 0});
    }
    poll(polls.data(), polls.size(), 1000);
    for (std::size_t i = polls.size(); i-- > 0;) {
      if ((polls[i].revents & (POLLIN | POLLHUP)) == 0) {
        continue;
      }
      char buffer[8192];
      const ssize_t n = read(children[i].pipe, buffer, sizeof buffer);
      if (n > 0) {
        children[i].text.append(buffer, static_cast<std::size_t>(n));
        continue;
      }
      const Outcome outcome = finish(children[i]);
      children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
      stop = heard(outcome) || stop;
    }
    if (stop) {
      for (Child& child : children) {
        kill(child.pid, SIGKILL);
        finish(child);
      }
      children.clear();
    }
  }
}

}  // namespace synod::sim
