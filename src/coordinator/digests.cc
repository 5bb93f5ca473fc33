#include "coordinator/digests.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace synod::coordinator {
namespace {

constexpr std::size_t own_kept = 4096;
constexpr std::size_t heard_kept = 256;
constexpr std::size_t news_max = 16;

}  // namespace

void Digests::note(Slot slot, std::uint64_t digest) {
  SYNOD_CHECK(due(slot));
  if (!own_.empty() && own_.back().slot >= slot) {
    own_.clear();
  }
  own_.push_back({slot, digest});
  if (own_.size() > own_kept) {
    own_.pop_front();
  }
}

std::vector<peer::SlotDigest> Digests::news() {
  std::vector<peer::SlotDigest> out;
  for (std::uint64_t step = interval;; step *= 2) {
    out.clear();
    for (auto it = own_.rbegin(); it != own_.rend() && it->slot > told_; ++it) {
      if (it->slot.value() % step == 0) {
        out.push_back(*it);
      }
    }
    if (out.size() <= news_max) {
      break;
    }
  }
  if (!own_.empty()) {
    told_ = own_.back().slot;
  }
  return out;
}

void Digests::hear(NodeId from, const std::vector<peer::SlotDigest>& said) {
  for (const peer::SlotDigest& one : said) {
    heard_[one.slot][from] = one.digest;
  }
  while (heard_.size() > heard_kept) {
    heard_.erase(heard_.begin());
  }
}

std::optional<std::uint64_t> Digests::own(Slot slot) const {
  const auto it = std::lower_bound(
      own_.begin(), own_.end(), slot,
      [](const peer::SlotDigest& noted, Slot wanted) { return noted.slot < wanted; });
  return it != own_.end() && it->slot == slot ? std::optional(it->digest) : std::nullopt;
}

std::optional<Digests::Finding> Digests::judge(const paxos::Membership& membership, NodeId self) {
  for (auto it = heard_.begin(); it != heard_.end();) {
    const Slot slot = it->first;
    const std::optional<std::uint64_t> mine = own(slot);
    if (!mine.has_value()) {
      // Not applied here yet, or too long ago.
      const bool gone = !own_.empty() && slot < own_.back().slot;
      it = gone ? heard_.erase(it) : std::next(it);
      continue;
    }
    std::map<NodeId, std::uint64_t> said = it->second;
    said[self] = *mine;
    const bool all = std::all_of(
        membership.members().begin(), membership.members().end(),
        [&said](const paxos::Member& m) { return m.observer || said.count(m.node) != 0; });
    std::optional<Finding> finding = judge_one(membership, self, slot, std::move(said));
    const bool told = finding.has_value() && (all || !finding->undecided);
    it = all || told ? heard_.erase(it) : std::next(it);
    if (told) {
      return finding;
    }
  }
  return std::nullopt;
}

std::optional<Digests::Finding> Digests::judge_one(const paxos::Membership& membership, NodeId self,
                                                   Slot slot,
                                                   std::map<NodeId, std::uint64_t> said) const {
  Finding finding;
  finding.slot = slot;
  const std::uint64_t mine = said.at(self);
  const bool equal = std::all_of(said.begin(), said.end(),
                                 [mine](const auto& item) { return item.second == mine; });
  if (equal) {
    return std::nullopt;
  }
  for (const auto& [node, digest] : said) {
    const bool right = membership.quorum([&said, right_one = digest](const paxos::Member& member) {
      const auto it = said.find(member.node);
      return it != said.end() && it->second == right_one;
    });
    if (!right) {
      continue;
    }
    finding.self = mine != digest;
    for (const auto& [other, others] : said) {
      if (other != self && others != digest) {
        finding.others.push_back(other);
      }
    }
    return finding;
  }
  finding.undecided = true;
  return finding;
}

std::string to_string(const Digests::Finding& finding) {
  const std::uint64_t slot = finding.slot.value();
  if (finding.self) {
    return fmt::format("the state here at slot {} is not that of a quorum", slot);
  }
  if (finding.undecided) {
    return fmt::format("the servers' states at slot {} differ, and no quorum agrees on one", slot);
  }
  std::string nodes;
  for (const NodeId node : finding.others) {
    nodes += fmt::format("{}{}", nodes.empty() ? "" : ", ", node.value());
  }
  return fmt::format("the state of server {} at slot {} is not that of a quorum", nodes, slot);
}

}  // namespace synod::coordinator
