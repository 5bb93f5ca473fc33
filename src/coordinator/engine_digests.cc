// The state compared with the others' (digests.h), and what follows if it is wrong: the server
// takes no part any more, sets its snapshots aside and ends; at its next start it has its state
// from the log or from a peer. The log itself is bound by its chain of hashes and needs no such
// proof.
#include <utility>

#include "coordinator/engine.h"

namespace synod::coordinator {
namespace {

// Raised whenever znode::State::digest() comes to other results.
constexpr std::uint32_t digest_version = 1;

}  // namespace

void Engine::note_digest(Slot slot) {
  if (Digests::due(slot)) {
    digests_.note(slot, shared_.state.digest());
  }
}

void Engine::hear_own(NodeId from, const peer::DigestsSaid& m) {
  if (m.version == digest_version) {
    digests_.hear(from, m.digests);
  }
}

void Engine::compare_digests() {
  if (phase_ != Phase::running || links_ == nullptr) {
    return;
  }
  while (auto finding = digests_.judge(core_->membership(), options_.self)) {
    const std::string text = to_string(*finding);
    if (finding->self) {
      quarantine(text);
      return;
    }
    // Again and again while it lasts: once is enough.
    finding->slot = Slot();
    if (std::string kind = to_string(*finding); kind != digests_said_) {
      digests_said_ = std::move(kind);
      lane_.log().error("engine", "{}", text);
    }
  }
  const std::vector<peer::SlotDigest> news = digests_.news();
  if (news.empty()) {
    return;
  }
  for (const auto& [node, endpoint] : peers_) {
    links_->send(node, peer::DigestsSaid{digest_version, news});
  }
}

void Engine::quarantine(const std::string& why) {
  const Error error{ErrorCode::corrupt,
                    why +
                        ": the snapshots are set aside, and at the next start the state comes "
                        "from the log or from another server"};
  quarantined_ = error;
  take_no_part(error);
  journal(SetSnapshotsAside{});
}

void Engine::take(SnapshotsSetAside&& r) {
  if (r.error.has_value()) {
    lane_.log().error("engine", "and cannot be set aside: {}", r.error->message);
  }
  on_quarantined_(*std::exchange(quarantined_, std::nullopt));
}

}  // namespace synod::coordinator
