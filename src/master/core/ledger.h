// Who holds what: the one book in which resources of agents are given out.
//
// Every amount of an agent is free, offered or allocated; an offer, a task or an executor holds it,
// and nothing else writes the book. The allocator keeps its own idea of what is free, made of the
// same events; Core::check() compares the two.
//
// Source      docs/design.md, promise 5; mesos.md 17, properties 1 and 2.
// Invariants  L1 for each agent: the holdings of offers sum up to offered, those of tasks and
//                executors to allocated.
//             L2 an agent that is not over-committed: total contains offered + allocated.
//             L3 an offer is made only of what is free, and never on an over-committed agent; so
//                offers never make an agent over-committed. Only a shrunken total and tasks that
//                were found running can.
//             L4 every holding has one holder, and a holder one holding per agent.
// Purity      Same calls, same book.
// Threads     Confined to the owning Lane.
// Memory      O(agents + offers + tasks + executors). Amounts carry no allocation role: the holder
//             knows it.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "base/check.h"
#include "master/core/types.h"

namespace synod::master::core {

// Who holds an amount.
struct Holder {
  enum class Kind : std::uint8_t { offer, task, executor };

  Kind kind = Kind::offer;
  FrameworkKey framework;
  OfferKey offer;  // of an offer
  std::string id;  // of a task or executor

  static Holder of_offer(FrameworkKey framework, OfferKey offer) {
    return {Kind::offer, framework, offer, {}};
  }
  static Holder of_task(FrameworkKey framework, const TaskId& task) {
    return {Kind::task, framework, {}, task.value};
  }
  static Holder of_executor(FrameworkKey framework, const ExecutorId& executor) {
    return {Kind::executor, framework, {}, executor.value};
  }

  friend auto operator<=>(const Holder&, const Holder&) = default;
};

struct Account {
  Resources total;
  Resources offered;
  Resources allocated;
  std::map<Holder, Resources> holdings;

  // total - offered - allocated; nothing if over-committed.
  Resources free() const;
  // More is held than there is: found running after a failover, or the total shrank.
  bool over_committed() const;
};

class Ledger {
 public:
  // Precondition: not known.
  void add_agent(AgentKey agent, Resources total);
  // Preconditions of all that follow: the agent is known.
  void set_total(AgentKey agent, Resources total);
  // Everything held there is forgotten with it.
  void remove_agent(AgentKey agent);

  // Takes from what is free. Preconditions: not over-committed, free() contains the amount, the
  // holder holds nothing there. (L3)
  void offer(AgentKey agent, const Holder& offer, const Resources& amount);

  // The holding becomes free again, and is returned. Precondition: the holder holds something
  // there.
  Resources release(AgentKey agent, const Holder& holder);

  // The holding of one offer is added to that of another on the same agent, and the first is gone.
  void merge(AgentKey agent, const Holder& from, const Holder& into);

  // `amount` of the offer's holding becomes the holding of a task or executor.
  // Preconditions: the offer's holding contains it; the new holder holds nothing there.
  void use(AgentKey agent, const Holder& offer, const Holder& user, const Resources& amount);

  // A task or executor that was found on the agent holds this, whatever is free. (L3)
  // Precondition: the holder holds nothing there.
  void found(AgentKey agent, const Holder& user, const Resources& amount);

  const Account* find(AgentKey agent) const;
  const std::map<AgentKey, Account>& accounts() const { return accounts_; }
  // What the holder holds there, nullptr if nothing.
  const Resources* holding(AgentKey agent, const Holder& holder) const;

  std::uint64_t digest() const;
  // Empty if L1 to L4 hold, else the first broken one in words.
  std::string check() const;

 private:
  Account& at(AgentKey agent);

  std::map<AgentKey, Account> accounts_;
};

}  // namespace synod::master::core
