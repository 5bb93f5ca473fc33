#include "paxos/core.h"

#include "paxos/machine.h"

namespace synod::paxos {

Core::Core(const Options& options, const Recovered& recovered)
    : machine_(std::make_unique<Machine>(options, recovered)) {}
Core::~Core() = default;
Core::Core(const Core& other) : machine_(std::make_unique<Machine>(*other.machine_)) {}
Core& Core::operator=(const Core& other) {
  *machine_ = *other.machine_;
  return *this;
}
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

void Core::step(const Event& event, Effects& effects) { machine_->step(event, effects); }

Role Core::role() const { return machine_->role(); }
bool Core::serving() const { return machine_->leading().serving(); }
bool Core::can_propose() const { return machine_->can_propose(); }
ChangeVerdict Core::may_change(Instant now, const Membership& members) const {
  return machine_->may_change(now, members);
}
NodeId Core::leader() const { return machine_->leader(); }
Ballot Core::promised() const { return machine_->acceptor().promised(); }
Ballot Core::adopted() const { return machine_->acceptor().adopted(); }
Slot Core::last() const { return machine_->acceptor().history().last(); }
Chain Core::chain() const { return machine_->acceptor().history().chain(); }
Slot Core::chosen() const { return machine_->acceptor().history().chosen(); }
const Membership& Core::membership() const { return machine_->acceptor().history().membership(); }
std::vector<const Membership*> Core::configurations() const {
  const History& history = machine_->acceptor().history();
  return history.configurations(history.chosen(), history.last());
}
const IdentityRecord& Core::identity() const { return machine_->founding().identity(); }
RulesVersion Core::agreed_rules() const {
  return machine_->leading().agreed_rules(machine_->acceptor());
}
bool Core::holds_lease(Instant now) const {
  return machine_->leading().holds_lease(machine_->options(), now, machine_->acceptor());
}
Core::Followers Core::followers() const {
  Followers followers;
  for (const auto& [node, progress] : machine_->leading().peers()) {
    const bool follows = machine_->leading().leads() && progress.adopted &&
                         node != machine_->leading().ballot().node;
    followers.following += follows ? 1 : 0;
    const Member* member = membership().find(node);
    const bool observes = member == nullptr || member->observer;
    const bool synced = follows && progress.accepted >= chosen();
    followers.synced += synced && !observes ? 1 : 0;
    followers.synced_observers += synced && observes ? 1 : 0;
  }
  return followers;
}
std::uint64_t Core::digest() const { return machine_->digest(); }
std::optional<std::string> Core::check() const { return machine_->check(); }

std::ostream& operator<<(std::ostream& out, const Core& core) {
  return out << core.role() << " promised=" << core.promised() << " adopted=" << core.adopted()
             << " last=" << core.last() << " chosen=" << core.chosen()
             << " leader=" << core.leader();
}

}  // namespace synod::paxos
