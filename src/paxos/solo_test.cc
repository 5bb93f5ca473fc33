#include "paxos/solo_test.h"

#include <sstream>

#include "base/check.h"
#include "base/checksum.h"
#include "paxos/fields.h"

namespace synod::paxos::testing {
namespace {

constexpr Instant noon = Instant::from_millis(1000);  // time stands still

NodeId id_of(std::size_t node) { return NodeId(static_cast<std::uint32_t>(node) + 1); }
std::uint8_t index_of(NodeId node) { return static_cast<std::uint8_t>(node.value() - 1); }

std::vector<Member> members() {
  std::vector<Member> members;
  for (std::size_t node = 0; node < Nodes::count; ++node) {
    Member member;
    member.node = id_of(node);
    member.incarnation = Incarnation(node + 1);
    members.push_back(member);
  }
  return members;
}

// Without the others (heartbeats, watermarks, rejections, greetings) consensus still works: they
// are lost here.
bool essential(const Message& message) {
  return std::holds_alternative<Prepare>(message) || std::holds_alternative<Promise>(message) ||
         std::holds_alternative<Fetch>(message) || std::holds_alternative<Stage>(message) ||
         std::holds_alternative<Adopt>(message) || std::holds_alternative<Accept>(message) ||
         std::holds_alternative<Accepted>(message) || std::holds_alternative<Rewind>(message);
}

// Says after which log it is proposed, so that a log which holds it elsewhere is found out; and in
// which ballot, so that no two proposals are equal.
std::string value_after(Chain chain, Ballot ballot) {
  std::ostringstream value;
  value << chain.value() << " by " << ballot.number << '.' << ballot.node;
  return value.str();
}

bool says_after(const std::string& value, Chain chain) {
  const std::string start = std::to_string(chain.value()) + " by ";
  return value.compare(0, start.size(), start) == 0;
}

std::uint64_t digest(const std::set<Vote>& votes) {
  std::uint64_t h = votes.size();
  for (const Vote& vote : votes) {
    h = hash_mix(h,
                 hash_mix(vote.ballot.number * 256 + vote.ballot.node.value(), vote.slot.value()));
    h = hash_mix(h, vote.chain.value());
  }
  return h;
}

}  // namespace

Nodes::Nodes(PlantedBug planted) {
  for (std::size_t node = 0; node < count; ++node) {
    Options options;
    options.self = id_of(node);
    options.configured = members();
    options.fresh_incarnation = Incarnation(node + 1);
    options.fresh_cluster = ClusterId(7);
    options.opening_entry = false;
    options.planted = planted;
    Journal journal;
    journal.append(Persist{Lsn(1), Ballot{},
                           IdentityRecord{ClusterId(7), options.fresh_incarnation, members()}});
    journal.flush();
    journal.restart_lsn();
    auto live =
        std::make_unique<Live>(Live{options, Core(options, journal.recover()), journal, {}});
    std::vector<Said> said;
    step(*live, Started{noon}, said);
    for (std::size_t other = 0; other < count; ++other) {
      if (other != node) {
        step(*live, LinkUp{noon, id_of(other)}, said);
      }
    }
    first_[node] = number(std::move(live), static_cast<std::uint32_t>(node), Act{});
  }
}

const Outcome& Nodes::act(std::uint32_t state, const Act& act) {
  for (const auto& [known, outcome] : states_[state].outcomes) {
    if (known == act.packed()) {
      return outcome;
    }
  }
  Outcome outcome;
  outcome.state = number(play(live(state), act, outcome.said), state, act);
  auto& outcomes = states_[state].outcomes;
  outcomes.emplace_back(act.packed(), std::move(outcome));
  return outcomes.back().second;
}

const Nodes::Live& Nodes::live(std::uint32_t state) {
  if (const std::unique_ptr<Live>* known = live_.find(state); known != nullptr) {
    return **known;
  }
  std::vector<Said> said;
  const State& known = states_[state];
  keep(state, play(live(known.from), known.by, said));
  return *live_[state];
}

// The first of each node stay for ever.
void Nodes::keep(std::uint32_t state, std::unique_ptr<Live> live) {
  live_[state] = std::move(live);
  if (state >= count) {
    live_since_.push_back(state);
  }
  if (live_since_.size() > kept_max) {
    live_.erase(live_since_.front());
    live_since_.pop_front();
  }
}

std::unique_ptr<Nodes::Live> Nodes::play(const Live& from, const Act& act,
                                         std::vector<Said>& said) {
  auto live = std::make_unique<Live>(from);
  Live& state = *live;
  switch (act.kind) {
    case Act::Kind::stand: step(state, Stand{noon}, said); break;
    case Act::Kind::propose: propose(state, said); break;
    case Act::Kind::flush:
      state.journal.flush();
      vote(state);
      step(state, Durable{noon, state.journal.durable_ballot(), state.journal.durable_lsn()}, said);
      break;
    case Act::Kind::restart:
      state.journal.flush(act.node);
      vote(state);
      state.journal.lose_unflushed();
      state.journal.restart_lsn();
      state.core = Core(state.options, state.journal.recover());
      step(state, Started{noon}, said);
      break;
    case Act::Kind::link_up: step(state, LinkUp{noon, id_of(act.node)}, said); break;
    case Act::Kind::deliver:
      step(state, Received{noon, id_of(act.node), Message(messages_[act.message])}, said);
      break;
  }
  return live;
}

void Nodes::propose(Live& state, std::vector<Said>& said) {
  const std::string value = value_after(state.core.chain(), state.core.promised());
  step(state, Propose{noon, make_entry(EntryKind::batch, value)}, said);
}

void Nodes::step(Live& state, const Event& event, std::vector<Said>& said) {
  Effects effects;
  state.core.step(event, effects);
  state.core.step(TurnEnded{noon}, effects);
  for (const Effect& effect : effects) {
    perform(state, effect, said);
  }
}

void Nodes::perform(Live& state, const Effect& effect, std::vector<Said>& said) {
  if (const auto* persist = std::get_if<Persist>(&effect)) {
    state.journal.append(*persist);
  } else if (const auto* send = std::get_if<Send>(&effect)) {
    if (essential(send->message)) {
      said.push_back(Said{index_of(send->to), number(send->message)});
    }
  } else if (const auto* log = std::get_if<SendLog>(&effect)) {
    stream(state, *log, said);
  }
  // No log is trimmed here, so no snapshot is asked for.
  SYNOD_CHECK(!std::holds_alternative<SendSnapshot>(effect));
}

void Nodes::stream(Live& state, const SendLog& e, std::vector<Said>& said) {
  const Message message = log_message(state.journal.visible(), e);
  said.push_back(Said{index_of(e.to), number(message)});
  step(state, Sent{noon, e.to, e.ballot, true, false, e.last, Chain(0)}, said);
}

void Nodes::vote(Live& state) {
  const Journal::State& disk = state.journal.durable();
  if (disk.adopted == Ballot{}) {
    return;
  }
  Slot slot = disk.base;
  for (const Journal::Shown& shown : disk.log) {
    const Chain before = disk.chain_at(slot);
    slot = slot.next();
    before_.emplace(shown.chain, before);
    if (!says_after(*shown.entry.value, before)) {
      astray_.insert(shown.chain);
    }
    state.votes.insert(Vote{disk.adopted, slot, shown.chain});
  }
}

std::uint32_t Nodes::number(std::unique_ptr<Live> live, std::uint32_t from, const Act& by) {
  const std::uint64_t key = hash_mix(hash_mix(live->core.digest(), live->journal.digest()),
                                     hash_mix(digest(live->votes), live->options.self.value()));
  const auto number = static_cast<std::uint32_t>(states_.size());
  if (!state_numbers_.insert(key, number)) {
    return *state_numbers_.find(key);
  }
  const Core& core = live->core;
  if (auto broken = core.check(); broken.has_value() && verdict_.empty()) {
    verdict_ = *broken;
  }
  State& state = states_.emplace_back();
  state.brief = Brief{core.promised(),
                      core.role(),
                      core.can_propose(),
                      core.last(),
                      core.chosen(),
                      live->journal.visible().chain_at(core.chosen()),
                      live->journal.unflushed()};
  const Journal::State& disk = live->journal.durable();
  state.disk.adopted = disk.adopted;
  for (const Journal::Shown& shown : disk.log) {
    state.disk.log.push_back(shown.chain);
  }
  state.votes.assign(live->votes.begin(), live->votes.end());
  state.from = from;
  state.by = by;
  keep(number, std::move(live));
  return number;
}

std::uint32_t Nodes::number(const Message& message) {
  const std::uint64_t key = hash_of(message);
  if (message_numbers_.insert(key, static_cast<std::uint32_t>(messages_.size()))) {
    messages_.push_back(message);
  }
  return *message_numbers_.find(key);
}

bool Nodes::stale(std::uint32_t message, std::uint32_t state) const {
  const Brief& receiver = states_[state].brief;
  const bool leads = receiver.role == Role::leader || receiver.role == Role::candidate;
  return std::visit(
      [&](const auto& m) {
        using T = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<T, Promise> || std::is_same_v<T, Accepted> ||
                      std::is_same_v<T, Rewind>) {
          return !leads || m.ballot != receiver.promised;
        } else if constexpr (std::is_same_v<T, Prepare> || std::is_same_v<T, Fetch> ||
                             std::is_same_v<T, Stage> || std::is_same_v<T, Adopt> ||
                             std::is_same_v<T, Accept>) {
          return m.ballot < receiver.promised;
        } else {
          return false;
        }
      },
      messages_[message]);
}

std::string Nodes::describe(const Act& act) const {
  std::ostringstream text;
  switch (act.kind) {
    case Act::Kind::stand: text << "stands"; break;
    case Act::Kind::propose: text << "proposes"; break;
    case Act::Kind::flush: text << "flushes"; break;
    case Act::Kind::restart: text << "restarts with " << int{act.node} << " more records"; break;
    case Act::Kind::link_up: text << "is connected to n" << int{act.node} + 1; break;
    case Act::Kind::deliver:
      text << "hears n" << int{act.node} + 1 << ": " << messages_[act.message];
      break;
  }
  return text.str();
}

}  // namespace synod::paxos::testing
