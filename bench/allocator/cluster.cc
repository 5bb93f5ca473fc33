#include "bench/allocator/cluster.h"

#include "resources/text.h"

namespace synod::bench {

using allocator::AgentKey;
using allocator::FrameworkKey;

std::string used_part(int mem) {
  std::string text = "cpus:16;mem:" + std::to_string(mem) + ";disk:1024;ports:[";
  for (int port = 31000; port < 31030; port += 2) {
    text += std::to_string(port) + "-" + std::to_string(port) + ",";
  }
  return text + "31030-32000]";
}

Cluster::Cluster(const Plan& plan)
    : plan_(plan),
      total_(resources::parse_resources(plan.total).value()),
      used_(resources::parse_resources(plan.used).value()),
      allocator_(allocator::Options()) {}

void Cluster::add_frameworks() {
  for (std::uint64_t f = 0; f < plan_.frameworks; ++f) {
    allocator::AddFramework framework;
    framework.framework = FrameworkKey(f + 1);
    framework.roles = {role_of(f)};
    framework.revocable_resources = plan_.revocable;
    send(framework);
  }
  settle();
}

void Cluster::add_agents() {
  for (std::uint64_t a = 0; a < plan_.agents; ++a) {
    allocator::AddAgent agent;
    agent.agent = AgentKey(a + 1);
    agent.name = "agent" + std::to_string(a);
    agent.total = total_;
    const std::uint64_t f = a % plan_.frameworks;
    if (!used_.empty()) {
      agent.held.push_back({FrameworkKey(f + 1), role_of(f), used_});
    }
    send(std::move(agent));
  }
  settle();
}

void Cluster::give_back(std::optional<Duration> refuse) {
  std::vector<allocator::Allocation> offers;
  offers.swap(offers_);
  for (allocator::Allocation& offer : offers) {
    send(allocator::Recover{offer.framework, offer.role, offer.agent, std::move(offer.amount),
                            refuse});
  }
}

void Cluster::accept(const resources::Resources& task) {
  for (allocator::Allocation& offer : offers_) {
    offer.amount.subtract(task);
  }
  give_back(Duration());
}

void Cluster::suppress(std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t f = first; f < end; ++f) {
    send(allocator::Suppress{FrameworkKey(f + 1), {}});
  }
}

void Cluster::revive(std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t f = first; f < end; ++f) {
    send(allocator::Revive{FrameworkKey(f + 1), {}});
  }
  settle();
}

void Cluster::update_agents(resources::Milli revocable_cpus) {
  resources::Resource extra = resources::scalar_resource("cpus", revocable_cpus);
  extra.revocable = true;
  resources::Resources larger = total_;
  larger.add(extra);
  for (std::uint64_t a = 0; a < plan_.agents; ++a) {
    send(allocator::UpdateAgent{AgentKey(a + 1), larger, false});
  }
  settle();
}

void Cluster::cycle() {
  now_ = now_ + Duration::seconds(1);
  send(allocator::Wake{});
  settle();
}

std::string Cluster::role_of(std::uint64_t framework) const {
  return plan_.roles == 1 ? "*" : "role" + std::to_string(framework % plan_.roles);
}

void Cluster::send(allocator::EventBody body) {
  effects_.clear();
  allocator_.step(allocator::Event{now_, std::move(body)}, effects_);
  for (allocator::Effect& effect : effects_) {
    if (auto* offer = std::get_if<allocator::Allocation>(&effect)) {
      offers_.push_back(std::move(*offer));
    } else if (std::holds_alternative<allocator::Continue>(effect)) {
      continue_ = true;
    }
  }
}

void Cluster::settle() {
  while (continue_) {
    continue_ = false;
    send(allocator::Turn{});
  }
}

}  // namespace synod::bench
