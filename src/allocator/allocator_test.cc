// Text scripts and properties of the allocator.
//
// Words of a script. Frameworks and agents go by the names they are given; a turn is taken whenever
// the allocator asks for one, unless `manual` was said.
//   options mode=incremental|interval interval=1000 gather=10 min=cpus:0.01|mem:32 per_turn=64
//           excluded=gpus any=1 (no minimum offer)
//   framework f1 roles=a,b suppressed=b revocable=1 gpu=1 shared=1 refined=1 active=0
//   update_framework f1 ...     remove_framework f1     activate f1     deactivate f1
//   agent a1 cpus:2;mem:64 held=f1:role:cpus:1   update_agent a1 TOTAL attributes=1
//   remove_agent a1   up a1   down a1   found a1 f1 role AMOUNT
//   decline f1 a1 [role=r] [refuse=5000]  gives back all of its last offer there, with a filter
//   release f1 a1 AMOUNT [role=r]         gives back an amount, without one (a task ended)
//   keep f1 a1 AMOUNT [refuse=]           uses AMOUNT of its offer there, declines the rest
//   suppress f1 [roles=a]  revive f1 [roles=a]  weight role 2
//   fill A=cpus:1;mem:4 B=cpus:3;mem:1  each keeps one such task of every offer that holds one and
//                  declines the rest, until nobody can; tells how many tasks each has
//   wait 500       time passes; what falls due in it happens
//   manual / turn  take turns by hand
//   shares a b     explain f1 role SHAPE [ports=1]     stats
#include "allocator/allocator.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <functional>
#include <sstream>

#include "resources/text.h"
#include "test/script/script.h"

namespace synod::allocator {
namespace {

using script::Command;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    parts.push_back(part);
  }
  return parts;
}

Resources amount(const std::string& text) {
  auto parsed = resources::parse_resources(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? parsed.value() : Resources();
}

class World : public script::Handler {
 public:
  std::string run(const Command& command) override {
    out_.str("");
    const std::string& verb = command.verb();
    if (verb == "options") {
      set_options(command);
    } else if (!framework_verb(command) && !agent_verb(command) && !offer_verb(command) &&
               !other_verb(command)) {
      out_ << "unknown verb " << verb << "\n";
    }
    if (allocator_) {
      EXPECT_EQ(allocator_->check(), "") << "after: " << command.line;
    }
    return out_.str();
  }

 private:
  using Key = std::pair<std::string, std::string>;  // framework, agent

  void set_options(const Command& command) {
    Options options;
    options.mode = command.text("mode") == "interval" ? Mode::interval : Mode::incremental;
    options.allocation_interval = Duration::millis(command.number("interval", 1000));
    options.gather = Duration::millis(command.number("gather", 10));
    options.agents_per_turn = static_cast<std::size_t>(command.number("per_turn", 64));
    if (command.has("any")) {
      options.min_allocatable.clear();
    }
    for (const std::string& name : split(command.text("excluded"), ',')) {
      options.fair_sharing_excluded.insert(name);
    }
    allocator_ = std::make_unique<Allocator>(options);
  }

  Allocator& allocator() {
    if (!allocator_) {
      allocator_ = std::make_unique<Allocator>(Options());
    }
    return *allocator_;
  }

  AddFramework framework_of(const Command& command) {
    AddFramework framework;
    framework.framework = framework_key(command.word(0));
    framework.roles = split(command.text("roles", "*"), ',');
    for (const std::string& role : split(command.text("suppressed"), ',')) {
      framework.suppressed.insert(role);
    }
    framework.active = command.number("active", 1) != 0;
    framework.revocable_resources = command.has("revocable");
    framework.gpu_resources = command.has("gpu");
    framework.shared_resources = command.has("shared");
    framework.reservation_refinement = command.has("refined");
    first_role_[command.word(0)] = framework.roles.empty() ? "*" : framework.roles.front();
    return framework;
  }

  bool framework_verb(const Command& command) {
    const std::string& verb = command.verb();
    const auto key = [&] { return framework_key(command.word(0)); };
    if (verb == "framework") {
      send(framework_of(command));
    } else if (verb == "update_framework") {
      send(UpdateFramework{framework_of(command)});
    } else if (verb == "remove_framework") {
      send(RemoveFramework{key()});
    } else if (verb == "activate") {
      send(SetFrameworkActive{key(), true});
    } else if (verb == "deactivate") {
      send(SetFrameworkActive{key(), false});
    } else if (verb == "suppress") {
      send(Suppress{key(), split(command.text("roles"), ',')});
    } else if (verb == "revive") {
      send(Revive{key(), split(command.text("roles"), ',')});
    } else {
      return false;
    }
    return true;
  }

  bool agent_verb(const Command& command) {
    const std::string& verb = command.verb();
    const auto key = [&] { return agent_key(command.word(0)); };
    if (verb == "agent") {
      AddAgent added;
      added.agent = key();
      added.name = command.word(0);
      added.total = amount(command.word(1));
      for (const std::string& part : split(command.text("held"), '|')) {
        const std::size_t first = part.find(':');
        const std::size_t second = part.find(':', first + 1);
        added.held.push_back({framework_key(part.substr(0, first)),
                              part.substr(first + 1, second - first - 1),
                              amount(part.substr(second + 1))});
      }
      send(added);
    } else if (verb == "update_agent") {
      send(UpdateAgent{key(), amount(command.word(1)), command.has("attributes")});
    } else if (verb == "remove_agent") {
      send(RemoveAgent{key()});
    } else if (verb == "up" || verb == "down") {
      send(SetAgentActive{key(), verb == "up"});
    } else if (verb == "found") {
      send(
          Found{key(), {framework_key(command.word(1)), command.word(2), amount(command.word(3))}});
    } else {
      return false;
    }
    return true;
  }

  bool offer_verb(const Command& command) {
    const std::string& verb = command.verb();
    if (verb != "decline" && verb != "release" && verb != "keep") {
      return false;
    }
    Recover back;
    back.framework = framework_key(command.word(0));
    back.agent = agent_key(command.word(1));
    back.role = command.text("role", first_role_[command.word(0)]);
    Resources& offered = offered_[{command.word(0) + "/" + back.role, command.word(1)}];
    const Duration refuse = Duration::millis(command.number("refuse", 5000));
    if (verb == "release") {
      back.amount = amount(command.word(2));
      offered.subtract(back.amount);
    } else {
      back.amount = verb == "keep" ? offered - amount(command.word(2)) : offered;
      back.refuse = refuse;
      offered = Resources();
    }
    if (!back.amount.empty()) {
      send(back);
    }
    return true;
  }

  bool other_verb(const Command& command) {
    const std::string& verb = command.verb();
    if (verb == "weight") {
      send(SetWeight{command.word(0), resources::parse_milli(command.word(1)).value()});
    } else if (verb == "fill") {
      fill(command);
    } else if (verb == "wait") {
      wait(Duration::millis(std::stoll(command.word(0))));
    } else if (verb == "manual") {
      manual_ = true;
    } else if (verb == "turn") {
      out_ << (continue_ ? "" : "nothing to continue\n");
      if (continue_) {
        continue_ = false;
        send(Turn{});
        out_ << (continue_ ? "continue\n" : "done\n");
      }
    } else if (verb == "shares") {
      for (std::size_t i = 1; i < command.words.size(); ++i) {
        const auto permille = allocator().share_of(command.words[i]) * 1000 >> 40;
        out_ << command.words[i] << " " << permille << "/1000\n";
      }
    } else if (verb == "explain") {
      Shape shape;
      shape.scalars = resources::parse_quantities(command.word(2)).value();
      shape.ports = static_cast<std::uint64_t>(command.number("ports", 0));
      const Explanation answer =
          allocator().explain(framework_key(command.word(0)), command.word(1), shape,
                              [&](AgentKey key) { return on_offer(key); });
      out_ << to_string(answer.verdict) << ": " << to_string(answer) << "\n";
      if (!answer.short_of.empty()) {
        out_ << "short of";
        for (const std::string& name : answer.short_of) {
          out_ << " " << name;
        }
        out_ << "\n";
      }
    } else if (verb == "stats") {
      const Allocator::Stats& stats = allocator().stats();
      out_ << "turns=" << stats.turns << " rounds=" << stats.rounds
           << " agents_visited=" << stats.agents_visited << " allocations=" << stats.allocations
           << " filters=" << allocator().filters() << " roles=" << allocator().roles()
           << (wake_ == Instant::max() ? " idle" : "") << "\n";
    } else {
      return false;
    }
    return true;
  }

  const Resources* on_offer(AgentKey key) {
    on_offer_ = Resources();
    for (const auto& [offer, resources] : offered_) {
      if (offer.second == agent_names_.at(key.value() - 1)) {
        on_offer_.add(resources);
      }
    }
    return on_offer_.empty() ? nullptr : &on_offer_;
  }

  // Progressive filling: the paper's loop, played through offers.
  void fill(const Command& command) {
    std::map<std::string, int> tasks;
    for (int idle_rounds = 0; idle_rounds < 6; ++idle_rounds) {
      for (bool again = true; again;) {
        again = false;
        for (const auto& [name, text] : command.arguments) {
          for (auto& [key, offered] : offered_) {
            const std::string role = key.first.substr(name.size() + 1);
            if (offered.empty() || key.first != name + "/" + role) {
              continue;
            }
            Recover back{framework_key(name), role, agent_key(key.second), offered, Duration()};
            if (offered.contains(amount(text))) {
              back.amount.subtract(amount(text));
              ++tasks[name];
              idle_rounds = 0;
              again = true;
            }
            offered = Resources();
            if (!back.amount.empty()) {
              send(back);
            }
          }
        }
        quiet_ = true;
        wait(Duration::millis(10));
        quiet_ = false;
      }
      quiet_ = true;
      wait(Duration::millis(500));
      quiet_ = false;
    }
    for (const auto& [name, count] : tasks) {
      out_ << name << " has " << count << " tasks\n";
    }
  }

  FrameworkKey framework_key(const std::string& name) { return key_of(framework_names_, name); }
  AgentKey agent_key(const std::string& name) {
    return AgentKey(key_of(agent_names_, name).value());
  }

  static FrameworkKey key_of(std::vector<std::string>& names, const std::string& name) {
    const auto it = std::find(names.begin(), names.end(), name);
    const auto index = static_cast<std::uint64_t>(it - names.begin());
    if (it == names.end()) {
      names.push_back(name);
    }
    return FrameworkKey(index + 1);
  }

  void send(EventBody body) {
    Effects effects;
    allocator().step(Event{now_, std::move(body)}, effects);
    for (const Effect& effect : effects) {
      if (const auto* given = std::get_if<Allocation>(&effect)) {
        const std::string& framework = framework_names_[given->framework.value() - 1];
        const std::string& agent = agent_names_[given->agent.value() - 1];
        offered_[{framework + "/" + given->role, agent}].add(given->amount);
        if (quiet_) {
          continue;
        }
        out_ << (now_.millis() == start_.millis() ? "" : std::to_string(now_.millis()) + " ms: ")
             << framework << (given->role == "*" ? "" : " (" + given->role + ")") << " offered "
             << agent << " " << given->amount << "\n";
      } else if (const auto* wake = std::get_if<WakeAt>(&effect)) {
        wake_ = wake->at;
      } else {
        EXPECT_FALSE(continue_) << "asked to continue twice";
        continue_ = true;
      }
    }
    while (continue_ && !manual_) {
      continue_ = false;
      send(Turn{});
    }
  }

  void wait(Duration time) {
    const Instant end = now_ + time;
    while (wake_ <= end) {
      now_ = std::max(now_, wake_);
      wake_ = Instant::max();
      send(Wake{});
    }
    now_ = end;
  }

  std::unique_ptr<Allocator> allocator_;
  std::vector<std::string> framework_names_;
  std::vector<std::string> agent_names_;
  std::map<std::string, std::string> first_role_;
  std::map<Key, Resources> offered_;
  Resources on_offer_;
  Instant start_ = Instant::from_millis(0);
  Instant now_ = start_;
  Instant wake_ = Instant::max();
  bool continue_ = false;
  bool manual_ = false;
  bool quiet_ = false;
  std::ostringstream out_;
};

// Random events against the dumbest model: who was given how much, and what there is. What is given
// out is never more than what is free, nobody gets what it may not have, and once all is quiet
// nobody who would take something is left without (mesos.md 17, properties 1, 2, 3, 7, 8).
class RandomWorld {
 public:
  static constexpr std::uint64_t frameworks = 4;
  static constexpr std::uint64_t agents = 5;

  explicit RandomWorld(const Options& options) : allocator_(options) {
    for (std::uint64_t f = 1; f <= frameworks; ++f) {
      AddFramework framework;
      framework.framework = FrameworkKey(f);
      framework.roles = {roles()[f % roles().size()], "*"};
      send(framework);
    }
  }

  static const std::vector<std::string>& roles() {
    static const std::vector<std::string> names{"a", "a/b", "c"};
    return names;
  }

  void act(std::uint64_t what, std::uint64_t x, std::uint64_t y) {
    const FrameworkKey framework(1 + x % frameworks);
    const AgentKey agent(1 + y % agents);
    const bool known = totals_.contains(agent);
    switch (what % 10) {
      case 0:
      case 1: {
        const Resources total =
            amount("cpus:" + std::to_string(1 + x % 8) + ";mem:" + std::to_string(64 + y % 512) +
                   ";ports:[1-" + std::to_string(1 + y % 50) + "]");
        totals_[agent] = total;
        if (x % 3 == 0) {
          forget_declined([&](const Given& g) { return std::get<1>(g) == agent; });
        }
        active_.try_emplace(agent, true);
        if (known) {
          send(UpdateAgent{agent, total, x % 3 == 0});
        } else {
          active_[agent] = true;
          send(AddAgent{agent, "a" + std::to_string(agent.value()), total, {}, true});
        }
        break;
      }
      case 2:
        if (known && x % 4 == 0) {
          send(RemoveAgent{agent});
          totals_.erase(agent);
          forget_declined([&](const Given& g) { return std::get<1>(g) == agent; });
          std::erase_if(given_, [&](const auto& g) { return std::get<1>(g.first) == agent; });
        }
        break;
      case 3:
        suppressed_.insert(framework);
        send(Suppress{framework, {}});
        break;
      case 4:
        suppressed_.erase(framework);
        forget_declined([&](const Given& g) { return std::get<0>(g) == framework; });
        send(Revive{framework, {}});
        break;
      case 5:
        if (known) {
          active_[agent] = x % 2 == 0;
          send(SetAgentActive{agent, active_[agent]});
        }
        break;
      case 6: send(SetWeight{roles()[x % 3], static_cast<Milli>(1 + y % 4000)}); break;
      case 7: wait(Duration::millis(static_cast<std::int64_t>(x % 3000))); break;
      default: give_back(x, y); break;
    }
  }

  // All offers are taken and nothing moves: whoever would take what is free has it.
  void settle() { wait(Duration::seconds(20)); }
  bool somebody_is_left_out() const {
    if (suppressed_.size() == frameworks) {
      return false;
    }
    for (const auto& [agent, total] : totals_) {
      if (active_.at(agent) && total.contains(held(agent)) &&
          (total - held(agent)).scalar("cpus") >= 10) {
        return true;
      }
    }
    return false;
  }
  std::string check() const { return broken_.empty() ? allocator_.check() : broken_; }

 private:
  using Given = std::tuple<FrameworkKey, AgentKey, std::string>;

  template <typename Predicate>
  void forget_declined(Predicate which) {
    std::erase_if(declined_, [&](const auto& entry) { return which(entry.first); });
  }

  Resources held(AgentKey agent) const {
    Resources sum;
    for (const auto& [key, held] : given_) {
      if (std::get<1>(key) == agent) {
        sum.add(held);
      }
    }
    return sum;
  }

  void give_back(std::uint64_t x, std::uint64_t y) {
    if (given_.empty()) {
      return;
    }
    auto it = given_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(x % given_.size()));
    Recover back{std::get<0>(it->first), std::get<2>(it->first), std::get<1>(it->first), it->second,
                 std::nullopt};
    if (y % 3 == 0) {
      back.amount = intersect(back.amount, amount("cpus:1;mem:100;ports:[3-7]"));
    }
    if (y % 2 == 0) {
      back.refuse = Duration::millis(static_cast<std::int64_t>(y % 5000));
      declined_[{back.framework, back.agent, back.role}] = {back.amount, now_};
    }
    it->second.subtract(back.amount);
    if (it->second.empty()) {
      given_.erase(it);
    }
    if (!back.amount.empty()) {
      send(back);
    }
  }

  void send(EventBody body) {
    Effects effects;
    allocator_.step(Event{now_, std::move(body)}, effects);
    bool again = false;
    for (const Effect& effect : effects) {
      if (const auto* given = std::get_if<Allocation>(&effect)) {
        hear(*given);
      } else if (const auto* wake = std::get_if<WakeAt>(&effect)) {
        wake_ = wake->at;
      } else {
        again = true;
      }
    }
    if (again) {
      send(Turn{});
    }
  }

  void hear(const Allocation& given) {
    const Given key{given.framework, given.agent, given.role};
    const Resources free = totals_[given.agent] - held(given.agent);
    if (!free.contains(given.amount)) {
      broken_ = "given twice: " + to_string(given.amount);
    }
    if (suppressed_.contains(given.framework) || !active_[given.agent]) {
      broken_ = "given to somebody who wants nothing, or of an agent that gives nothing";
    }
    const auto declined = declined_.find(key);
    if (declined != declined_.end() && declined->second.first.contains(given.amount) &&
        now_ - declined->second.second < Duration::seconds(1)) {
      broken_ = "declined " + to_string(declined->second.first) + " and offered again";
    }
    given_[key].add(given.amount);
  }

  void wait(Duration time) {
    const Instant end = now_ + time;
    while (wake_ <= end) {
      now_ = std::max(now_, wake_);
      wake_ = Instant::max();
      send(Wake{});
    }
    now_ = end;
  }

  Allocator allocator_;
  std::map<AgentKey, Resources> totals_;
  std::map<AgentKey, bool> active_;
  std::map<Given, Resources> given_;
  std::map<Given, std::pair<Resources, Instant>> declined_;
  std::set<FrameworkKey> suppressed_;
  std::string broken_;
  Instant now_;
  Instant wake_ = Instant::max();
};

void play(Mode mode) {
  const auto seeds =
      *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::arbitrary<std::uint64_t>());
  Options options;
  options.mode = mode;
  options.agents_per_turn = 2;
  RandomWorld world(options);
  for (const std::uint64_t seed : seeds) {
    const std::uint64_t mixed = seed * 0x9e3779b97f4a7c15ULL;
    world.act(mixed >> 7, mixed >> 19, mixed >> 33);
    RC_ASSERT(world.check() == "");
  }
  world.settle();
  RC_ASSERT(world.check() == "");
  RC_ASSERT(!world.somebody_is_left_out());
}

TEST(Allocator, never_gives_more_than_there_is_and_leaves_nobody_out) {
  EXPECT_TRUE(rc::check("incremental", [] { play(Mode::incremental); }));
  EXPECT_TRUE(rc::check("interval", [] { play(Mode::interval); }));
}

TEST(Allocator, does_what_the_scripts_say) {
  script::run_scripts(std::string(SYNOD_SOURCE_DIR) + "/testdata",
                      [] { return std::make_unique<World>(); });
}

}  // namespace
}  // namespace synod::allocator
