// Changes of members: a client's reconfig on its way into the log, and whom we are connected to.
//
// The leader judges a reconfig when everything before it is applied and nothing is under way: then
// the state that judges is the one that its entry finds, on every replica.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "coordinator/engine.h"
#include "coordinator/reconfig.h"

namespace synod::coordinator {
namespace {

zkwire::Code code_of(paxos::ChangeVerdict verdict) {
  switch (verdict) {
    case paxos::ChangeVerdict::ok: return zkwire::Code::ok;
    case paxos::ChangeVerdict::not_leading:
    case paxos::ChangeVerdict::in_progress: return zkwire::Code::reconfig_in_progress;
    case paxos::ChangeVerdict::not_synced: return zkwire::Code::new_config_no_quorum;
    case paxos::ChangeVerdict::older_rules: return zkwire::Code::unimplemented;
  }
  return zkwire::Code::new_config_no_quorum;
}

const char* words_of(paxos::ChangeVerdict verdict) {
  return verdict == paxos::ChangeVerdict::older_rules
             ? "a server is of a release that does not know changes of members: upgrade it first"
             : "no quorum of the new members is connected and has the log";
}

}  // namespace

// ---- what a client asks for

// Precondition: taken_ begins with a reconfig. False if it must wait.
bool Engine::judge_reconfig() {
  if (change_ > applier_.applied()) {
    fail_reconfig(zkwire::Code::reconfig_in_progress, "another one is under way");
    return true;
  }
  if (!role_.serving || applier_.applied() < core_->last()) {
    queue_waits_ = true;
    return false;
  }
  const Result<znode::Command> command = znode::decode_command(taken_.front());
  if (!command.ok() || !shared_.state.is_next(*command)) {
    // A repeat, or out of its turn: apply says so.
    fail_reconfig(zkwire::Code::bad_arguments, "");
    return true;
  }
  const auto& settings = shared_.state.settings();
  const auto config = settings.find("config");
  const Reconfigured changed = reconfigure(
      addressed(core_->membership()), config == settings.end() ? "" : config->second,
      options_.standalone_enabled, std::get<znode::Reconfigure>(command->request).request);
  if (changed.code != zkwire::Code::ok) {
    fail_reconfig(changed.code, changed.why);
    return true;
  }
  const paxos::ChangeVerdict verdict = core_->may_change(lane_.now(), changed.members);
  if (verdict != paxos::ChangeVerdict::ok) {
    fail_reconfig(code_of(verdict), words_of(verdict));
    return true;
  }
  const zkwire::Code allowed = shared_.state.may_write_config(*command, shared_.switches);
  if (allowed != zkwire::Code::ok) {
    fail_reconfig(allowed, "its client may not");
    return true;
  }
  znode::Command write = *command;
  write.request = znode::ConfigWrite{changed.text};
  taken_.pop_front();
  change_ = core_->last().next();
  lane_.log().info("engine", "changes the members to: {}", changed.text);
  step(paxos::ProposeChange{lane_.now(), changed.members,
                            znode::encode_batch(batch_header(znode::rules_version_of_changes),
                                                {znode::encode_command(write)})});
  return true;
}

// It takes its place in the order, and a zxid, as genuine ZooKeeper logs an error transaction.
void Engine::fail_reconfig(zkwire::Code code, const std::string& why) {
  Result<znode::Command> command = znode::decode_command(taken_.front());
  taken_.pop_front();
  if (!command.ok()) {
    return;
  }
  if (!why.empty()) {
    lane_.log().info("engine", "a reconfig is refused ({}): {}", zkwire::to_string(code), why);
  }
  command->request = znode::FailWrite{code};
  taken_.push_front(znode::encode_command(*command));
}

void Engine::perform(paxos::ChangeRefused&& e) {
  // Asked just before: only a planted bug or an error of ours comes here. The edge asks again.
  lane_.log().error("engine", "a change of members was refused: {}",
                    zkwire::to_string(code_of(e.verdict)));
  renew_path_later();
}

// Founders have none of their own: the files say where they are.
paxos::Membership Engine::addressed(const paxos::Membership& members) const {
  std::vector<paxos::Member> all = members.members();
  for (paxos::Member& member : all) {
    const auto configured = options_.addresses.find(member.node);
    if (member.address.empty() && configured != options_.addresses.end()) {
      member.address = configured->second;
    }
  }
  return paxos::Membership(std::move(all));
}

// ---- whom we are connected to

void Engine::perform(paxos::PeersChanged&& e) {
  members_ = std::move(e.members);
  connect_peers_soon();
}

// The files' servers, until a change of members said who is where; and who came by itself.
std::map<NodeId, ports::HostPort> Engine::wanted_peers() const {
  std::map<NodeId, ports::HostPort> wanted;
  for (const auto& [node, address] : guests_) {
    if (const auto endpoint = peer_of(address); endpoint.has_value()) {
      wanted[node] = *endpoint;
    }
  }
  const paxos::Membership members(members_);
  if (!members.names_addresses()) {
    for (const auto& [node, endpoint] : options_.peers) {
      wanted[node] = endpoint;
    }
  }
  const paxos::Membership found = addressed(members);
  for (const paxos::Member& member : found.members()) {
    if (const auto endpoint = peer_of(member.address); endpoint.has_value()) {
      wanted[member.node] = *endpoint;
    }
  }
  wanted.erase(options_.self);
  return wanted;
}

// On a turn of its own: a link may be calling just now.
void Engine::connect_peers_soon() {
  if (std::exchange(connecting_, true)) {
    return;
  }
  lane_.after(Duration(), scope_.wrap([this] {
    connecting_ = false;
    if (links_ == nullptr || phase_ == Phase::failed) {
      return;
    }
    const std::map<NodeId, ports::HostPort> before = std::exchange(peers_, wanted_peers());
    links_->connect(peers_);
    for (const auto& [node, endpoint] : before) {
      const auto now = peers_.find(node);
      if (now == peers_.end() || !(now->second == endpoint)) {
        step(paxos::LinkDown{lane_.now(), node, false});
      }
    }
    end_turn_soon();
  }));
}

void Engine::hear_own(NodeId from, peer::Introduction&& m) {
  if (options_.reconfig_enabled) {
    guests_[from] = std::move(m.address);
    if (peers_.count(from) == 0) {
      connect_peers_soon();
    }
  }
}

void Engine::hear_own(NodeId from, peer::ChangeAsk&& m) {
  if (role_.role != paxos::Role::leader || !znode::is_reconfigure(m.command)) {
    links_->send(from, peer::ForwardDropped{});
    return;
  }
  enqueue(std::move(m.command));
}

}  // namespace synod::coordinator
