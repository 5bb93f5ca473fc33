#include "master/core/ledger.h"

#include <utility>

#include "base/checksum.h"

namespace synod::master::core {
namespace {

Resources& side_of(Account& account, const Holder& holder) {
  return holder.kind == Holder::Kind::offer ? account.offered : account.allocated;
}

}  // namespace

Resources Account::free() const {
  return over_committed() ? Resources() : total - offered - allocated;
}

bool Account::over_committed() const { return !total.contains(offered + allocated); }

Account& Ledger::at(AgentKey agent) {
  const auto it = accounts_.find(agent);
  SYNOD_CHECK(it != accounts_.end());
  return it->second;
}

void Ledger::add_agent(AgentKey agent, Resources total) {
  const auto [it, added] = accounts_.try_emplace(agent);
  SYNOD_CHECK(added);
  it->second.total = std::move(total);
}

void Ledger::set_total(AgentKey agent, Resources total) { at(agent).total = std::move(total); }

void Ledger::remove_agent(AgentKey agent) { SYNOD_CHECK(accounts_.erase(agent) == 1); }

void Ledger::offer(AgentKey agent, const Holder& offer, const Resources& amount) {
  SYNOD_CHECK(offer.kind == Holder::Kind::offer);
  Account& account = at(agent);
  SYNOD_CHECK(!account.over_committed());
  SYNOD_CHECK(account.free().contains(amount));
  SYNOD_CHECK(account.holdings.try_emplace(offer, amount).second);
  account.offered.add(amount);
}

Resources Ledger::release(AgentKey agent, const Holder& holder) {
  Account& account = at(agent);
  const auto it = account.holdings.find(holder);
  SYNOD_CHECK(it != account.holdings.end());
  Resources amount = std::move(it->second);
  account.holdings.erase(it);
  side_of(account, holder).subtract(amount);
  return amount;
}

void Ledger::merge(AgentKey agent, const Holder& from, const Holder& into) {
  SYNOD_CHECK(from.kind == Holder::Kind::offer && into.kind == Holder::Kind::offer);
  Account& account = at(agent);
  const auto source = account.holdings.find(from);
  const auto target = account.holdings.find(into);
  SYNOD_CHECK(source != account.holdings.end() && target != account.holdings.end());
  SYNOD_CHECK(source != target);
  target->second.add(source->second);
  account.holdings.erase(source);
}

void Ledger::use(AgentKey agent, const Holder& offer, const Holder& user, const Resources& amount) {
  SYNOD_CHECK(offer.kind == Holder::Kind::offer && user.kind != Holder::Kind::offer);
  Account& account = at(agent);
  const auto source = account.holdings.find(offer);
  SYNOD_CHECK(source != account.holdings.end());
  SYNOD_CHECK(source->second.contains(amount));
  source->second.subtract(amount);
  account.offered.subtract(amount);
  SYNOD_CHECK(account.holdings.try_emplace(user, amount).second);
  account.allocated.add(amount);
}

void Ledger::found(AgentKey agent, const Holder& user, const Resources& amount) {
  SYNOD_CHECK(user.kind != Holder::Kind::offer);
  Account& account = at(agent);
  SYNOD_CHECK(account.holdings.try_emplace(user, amount).second);
  account.allocated.add(amount);
}

const Account* Ledger::find(AgentKey agent) const {
  const auto it = accounts_.find(agent);
  return it == accounts_.end() ? nullptr : &it->second;
}

const Resources* Ledger::holding(AgentKey agent, const Holder& holder) const {
  const Account* account = find(agent);
  if (account == nullptr) {
    return nullptr;
  }
  const auto it = account->holdings.find(holder);
  return it == account->holdings.end() ? nullptr : &it->second;
}

std::uint64_t Ledger::digest() const {
  std::uint64_t sum = accounts_.size();
  for (const auto& [agent, account] : accounts_) {
    sum = hash_mix(hash_mix(sum, agent.value()), resources::digest(account.total));
    for (const auto& [holder, amount] : account.holdings) {
      sum = hash_mix(
          sum, static_cast<std::uint64_t>(holder.kind) * 1'000'003 + holder.framework.value());
      sum = hash_mix(sum, hash64(holder.id, holder.offer.value()));
      sum = hash_mix(sum, resources::digest(amount));
    }
  }
  return sum;
}

std::string Ledger::check() const {
  for (const auto& [agent, account] : accounts_) {
    const std::string name = "agent " + std::to_string(agent.value());
    Resources offered;
    Resources allocated;
    for (const auto& [holder, amount] : account.holdings) {
      (holder.kind == Holder::Kind::offer ? offered : allocated).add(amount);
    }
    if (!(offered == account.offered)) {
      return "L1: offers of " + name + " hold " + to_string(offered) + ", booked are " +
             to_string(account.offered);
    }
    if (!(allocated == account.allocated)) {
      return "L1: tasks of " + name + " hold " + to_string(allocated) + ", booked are " +
             to_string(account.allocated);
    }
    if (!account.over_committed() && !(account.free() + offered + allocated == account.total)) {
      return "L2: free, offered and allocated do not make up the total of " + name;
    }
  }
  return "";
}

}  // namespace synod::master::core
