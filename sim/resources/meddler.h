// Somebody with write access to the coordination service who upsets the election, and an auditor
// who compares the registry with what the leading master says it knows.
//
// Coup         deletes the leader's candidate node while the leader is kept from hearing of it, so
//              that two masters believe to lead for a while; may also put the old node back, which
//              leads agents to a master that was deposed. What must hold: agents do not go back,
//              the registry loses nothing.
// Auditor      an agent that the registry holds as admitted is known to the master that leads
//              after it was written there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sim/coordination/client.h"
#include "sim/resources/raw_http.h"

namespace synod::sim::resources {

constexpr char election_path[] = "/mesos";
constexpr char registry_path[] = "/mesos.synod";

// The smallest candidate, read, deleted, and put back on request.
class Meddler final : public coordination::ClientListener {
 public:
  Meddler(SimProcess& process, const coordination::ClientOptions& options);

  // Tells the data of the leading candidate's node; not at all if there is none.
  void find_leader(std::function<void(const std::string& path, const Bytes& data)> found);
  // For certain, if late: a node that was put back and stays leads for ever, and nobody acts.
  void remove(const std::string& path);
  void put(const std::string& path, const Bytes& data);

 private:
  void on_ready() override;
  void on_lost() override;
  void on_reply(const coordination::Operation& operation) override;
  void submit_removal(const std::string& path);

  coordination::History history_;
  // Each with how many of its removals are under way: only the last answer tells that it is gone,
  // as it may have been put back behind an earlier one.
  std::map<std::string, int> to_remove_;
  std::function<void(const std::string&, const Bytes&)> found_;
  coordination::Client client_;
};

class Auditor final : public coordination::ClientListener {
 public:
  Auditor(SimProcess& process, const coordination::ClientOptions& options,
          std::vector<ports::Address> masters);

  const std::vector<std::string>& complaints() const { return complaints_; }
  int audits() const { return audits_; }

 private:
  void on_ready() override;
  void on_lost() override;
  void on_reply(const coordination::Operation& operation) override;

  enum class Phase { idle, registry, master, again };

  void audit_later();
  void audit();
  void read_registry(Phase phase);
  void on_epoch(const Bytes& data);
  void on_candidate(const Bytes& data);
  void registry_read();
  void read_buckets(const std::vector<std::string>& names);
  void on_bucket(const Bytes& data);
  void ask_master();
  void compare(const Bytes& state);

  SimProcess& process_;
  std::vector<ports::Address> masters_;
  SimLane& lane_;
  coordination::History history_;
  Bytes epoch_;             // as it was when the audit began
  std::string candidate_;   // whose epoch it is
  ports::Address address_;  // of that master
  std::size_t left_ = 0;    // buckets not read yet
  std::vector<std::string> admitted_;
  std::vector<std::string> suspects_;  // admitted, and unknown to the master
  Phase phase_ = Phase::idle;
  std::vector<std::string> complaints_;
  int audits_ = 0;
  Bytes state_;
  std::map<std::string, Instant> missing_since_;  // by agent
  std::uint64_t asked_ = 0;                       // number of the question to a master that counts
  std::unique_ptr<RawHttp> http_;
  ports::Scope scope_;
  coordination::Client client_;
};

}  // namespace synod::sim::resources
