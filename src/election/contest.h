// How an Election goes: one chain of requests at a time, driven by what is known.
//
//   paths made -> own candidate made -> children listed (watched) -> leader read -> if it is us:
//   epoch raised -> elected
//
// Every step first asks what is missing, so that a request swallowed by a broken connection is
// simply followed by a look at what is there. A create whose outcome is unknown is looked for by
// its ephemeral owner before it is repeated.
//
// Threads  Confined to its Lane.
#pragma once

#include <memory>
#include <vector>

#include "election/election.h"
#include "election/names.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::election {

class Election::Contest final : public std::enable_shared_from_this<Election::Contest> {
 public:
  Contest(ports::Lane& lane, ports::Network& network, ElectionOptions options,
          ElectionHandler& handler);

  // The Election is gone.
  void abandon();
  void resign(std::function<void()> done);
  bool may_speak() const;
  Instant may_speak_until() const;

  zkclient::Client& client() { return *client_; }
  const std::optional<Leader>& leader() const { return leader_; }
  const std::optional<Leadership>& leadership() const { return leadership_; }

 private:
  bool is_over() const { return abandoned_ || lost_ || resigned_; }
  void on_state(zkclient::State state);
  // Does the next thing that is missing.
  void step();
  void step_later(Duration delay);
  void retry(const char* what, const zkclient::Failure& failure);

  void make_paths();
  void stand();
  void find_own();
  void look_at(std::vector<std::string> names);
  void list();
  void on_children(const std::vector<std::string>& names);
  void read_leader(const std::string& path);
  void set_leader(std::optional<Leader> leader);
  void raise();
  void write_epoch(const std::optional<EpochRecord>& before, std::int32_t version);
  void on_raised(const EpochRecord& record);

  void tick();
  void confirm();
  void tell_may_speak();
  void lose(const std::string& why);

  ports::Lane& lane_;
  ports::Network& network_;
  const ElectionOptions options_;
  ElectionHandler& handler_;
  std::unique_ptr<zkclient::Client> client_;

  bool abandoned_ = false;
  bool lost_ = false;
  bool resigned_ = false;
  bool session_known_ = false;
  bool busy_ = false;  // a chain of requests is under way
  bool paths_made_ = false;
  bool stand_unknown_ = false;  // a candidate may have been made
  std::string own_path_;
  bool watching_ = false;
  std::optional<Leader> leader_;
  bool leader_told_ = false;
  std::optional<Leadership> leadership_;

  Instant ticked_at_;
  Instant confirmed_at_;        // an answer to a question asked then showed our candidate
  Instant must_confirm_after_;  // when we were last found not to have been scheduled
  bool confirming_ = false;
  bool told_may_speak_ = false;
  ports::TimerId retry_timer_;
  ports::Scope scope_;
};

}  // namespace synod::election
