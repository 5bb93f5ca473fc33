#include "master/seat.h"

#include <fmt/format.h>

#include "base/trace.h"
#include "mesos/json_text.h"
#include "ports/entropy.h"

namespace synod::master {

namespace {

constexpr Duration outbox_retry = Duration::millis(1);

core::Options core_options(const Options& options, const std::string& master_id,
                           const core::Leadership& leadership) {
  core::Options out;
  out.master_id = master_id;
  out.leadership = leadership;
  out.agent_ping_timeout = options.agent_ping_timeout;
  out.agent_ping_timeouts_max = options.agent_ping_timeouts_max;
  out.agent_reregister_timeout = options.agent_reregister_timeout;
  out.offer_timeout = options.offer_timeout;
  out.role_whitelist = options.roles;
  out.root_submissions = options.root_submissions;
  out.completed_frameworks_max = options.completed_frameworks_max;
  out.completed_tasks_per_framework_max = options.completed_tasks_per_framework_max;
  out.allocator = options.allocator;
  return out;
}

RegistryOptions registry_options(const Options& options, const Identity& identity) {
  RegistryOptions out;
  out.path = options.zk.path + ".synod";
  out.master_id = identity.id;
  out.address = address_of(identity);
  out.session_timeout = options.zk_session_timeout;
  out.store_timeout = options.registry_store_timeout;
  out.planted = options.planted;
  return out;
}

// The verdict for a framework that could have everything.
allocator::Explanation::Verdict verdict_for_anybody(const allocator::Explanation& explanation) {
  using Verdict = allocator::Explanation::Verdict;
  if (explanation.agents == 0) {
    return Verdict::no_agents;
  }
  if (explanation.agents_fit_total == 0) {
    return Verdict::too_large;
  }
  return explanation.agents_fit_free == 0 ? Verdict::waits : Verdict::offered;
}

}  // namespace

Seat::Seat(ports::Lane& lane, Store& store, const Options& options, Identity identity,
           ports::Sender<Parcel> door, std::function<void(const std::string& why)> fatal)
    : lane_(lane),
      store_(store),
      options_(options),
      identity_(std::move(identity)),
      door_(std::move(door)),
      fatal_(std::move(fatal)) {}

Seat::~Seat() { lane_.cancel(wake_); }

void Seat::end(const std::string& why) {
  if (ended_) {
    return;
  }
  ended_ = true;
  lane_.log().warning("master", "this master ends: {}", why);
  // The Door cuts its streams; nothing more is vouched for, so nothing more is said.
  say(Standing{});
  fatal_(why);
}

// ---- election

void Seat::follow(std::optional<Identity> leader) {
  if (standing_.role != Standing::Role::following) {
    end("another master leads");
    return;
  }
  standing_.leader = std::move(leader);
  if (standing_.leader) {
    lane_.log().info("master", "{} leads", address_of(*standing_.leader));
  }
  say(standing_);
}

void Seat::stand_first() {
  if (options_.planted == PlantedBug::read_registry_before_epoch && registry_ == nullptr) {
    make_registry();
    registry_->read_early();
  }
}

void Seat::make_registry() {
  Registry::Handlers handlers;
  handlers.taken = [this](std::optional<ReignRecord> before) { taken(before); };
  handlers.done = [this](core::OperationKey key) { step(core::RegistryDone{key}); };
  handlers.fatal = [this](const std::string& why) { end(why); };
  registry_ = std::make_unique<Registry>(lane_, store_, registry_options(options_, identity_),
                                         std::move(handlers));
}

void Seat::lead(const core::Leadership& leadership, const std::string& candidate,
                const std::optional<LeaderLoss>& loss) {
  if (standing_.role != Standing::Role::following) {
    return;
  }
  loss_ = loss;
  elected_at_ = lane_.now();
  elected_wall_ = lane_.wall();
  standing_.role = Standing::Role::recovering;
  standing_.leader = identity_;
  standing_.leadership = leadership;
  say(standing_);
  if (registry_ == nullptr) {
    make_registry();
  }
  registry_->take_over(leadership, candidate, elected_wall_);
}

void Seat::taken(const std::optional<ReignRecord>& before) {
  const core::Leadership& leadership = standing_.leadership;
  standing_.role = Standing::Role::leading;
  core_ = std::make_unique<core::Core>(core_options(options_, identity_.id, leadership));
  const core::RegistrySnapshot snapshot = registry_->records().snapshot();
  std::string after;
  if (before) {
    begin_failover(*before, snapshot.admitted.size());
    after =
        fmt::format(", after {} {}", before->address, predecessor_died_ ? "died" : "was silent");
  }
  lane_.log().info("master", "leads, epoch {}{}", leadership.epoch.value(), after);
  say(standing_);
  happen("master_elected", fmt::format("{} leads, epoch {}{}", address_of(identity_),
                                       leadership.epoch.value(), after));
  step(core::Recovered{snapshot});
  if (!options_.weights.empty() && snapshot.weights.empty()) {
    core::UpdateWeights update;
    for (const auto& weight : options_.weights) {
      update.weights.push_back({weight.first, weight.second});
    }
    step(std::move(update));
  }
}

void Seat::begin_failover(const ReignRecord& before, std::size_t agents) {
  Failover failover;
  failover.from = before.address;
  failover.died = predecessor_died_;
  failover.agents = agents;
  if (loss_) {
    failover.at = loss_->at;
    failover_start_ = loss_->noticed;
    if (!predecessor_died_) {
      // Its last sign of life lies a session timeout back.
      failover.at.millis -= before.session_timeout.millis();
      failover_start_ = failover_start_ - before.session_timeout;
    }
  } else {
    // It was gone before this master looked.
    failover.died = true;
    failover.at = identity_.started;
    failover_start_ = lane_.now() - Duration::millis(lane_.wall().millis - failover.at.millis);
  }
  failover.elected = lane_.now() - failover_start_;
  if (agents == 0) {
    failover.agents_back = failover.elected;
  }
  failover_ = failover;
}

void Seat::predecessor(bool died) {
  if (standing_.role != Standing::Role::leading) {
    predecessor_died_ = died;
  }
}

void Seat::vouch(Instant until) {
  if (leading() && until > lane_.now()) {
    say(Fresh{until});
  }
}

// ---- the core

void Seat::step(core::EventBody body) {
  if (core_ == nullptr || ended_) {
    return;
  }
  core::Effects effects;
  const core::Event event{lane_.now(), lane_.wall(), std::move(body)};
  trace(lane_.log(), "master", ">", event);
  core_->step(event, effects);
  perform(std::move(effects));
}

void Seat::perform(core::Effects effects) {
  watch_failover(effects);
  core::Effects spoken;
  for (core::Effect& effect : effects) {
    trace(lane_.log(), "master", "<", effect);
    chronicle(effect);
    const bool outward = std::holds_alternative<core::ToFramework>(effect) ||
                         std::holds_alternative<core::ToAgent>(effect) ||
                         std::holds_alternative<core::CloseStream>(effect);
    if (outward) {
      spoken.push_back(std::move(effect));
    } else {
      perform_own(effect);
    }
  }
  if (!spoken.empty()) {
    say(Say{std::move(spoken)});
  }
}

void Seat::perform_own(core::Effect& effect) {
  if (auto* change = std::get_if<core::ToRegistry>(&effect)) {
    registry_->change(std::move(*change));
  } else if (const auto* wake = std::get_if<core::WakeAt>(&effect)) {
    wake_at(wake->at);
  } else if (std::holds_alternative<core::Continue>(effect)) {
    turn_later();
  } else if (const auto* note = std::get_if<core::Note>(&effect)) {
    switch (note->level) {
      case core::NoteLevel::info: lane_.log().info("master", "{}", note->text); break;
      case core::NoteLevel::warning: lane_.log().warning("master", "{}", note->text); break;
      case core::NoteLevel::error: lane_.log().error("master", "{}", note->text); break;
    }
  }
}

void Seat::wake_at(Instant at) {
  lane_.cancel(wake_);
  wake_ = ports::TimerId();
  if (at != Instant::max()) {
    wake_ = lane_.after(at - lane_.now(), scope_.wrap([this] { step(core::Wake{}); }));
  }
}

void Seat::turn_later() {
  if (!lane_.try_post(scope_.wrap([this] { step(core::Turn{}); }))) {
    lane_.after(outbox_retry, scope_.wrap([this] { step(core::Turn{}); }));
  }
}

// How long it took until this reign worked as the one before did.
void Seat::watch_failover(const core::Effects& effects) {
  if (!failover_ || (failover_->agents_back && failover_->first_offer)) {
    return;
  }
  for (const core::Effect& effect : effects) {
    const auto* to_agent = std::get_if<core::ToAgent>(&effect);
    if (to_agent != nullptr && std::holds_alternative<core::Registered>(to_agent->body)) {
      failover_->back = std::min(failover_->back + 1, failover_->agents);
      if (failover_->back == failover_->agents && !failover_->agents_back) {
        failover_->agents_back = lane_.now() - failover_start_;
      }
    }
    const auto* to_framework = std::get_if<core::ToFramework>(&effect);
    if (to_framework != nullptr && std::holds_alternative<core::Offers>(to_framework->body) &&
        !failover_->first_offer) {
      failover_->first_offer = lane_.now() - failover_start_;
    }
  }
}

// What the page's time line shows.
void Seat::chronicle(const core::Effect& effect) {
  if (const auto* to_agent = std::get_if<core::ToAgent>(&effect)) {
    if (std::holds_alternative<core::Registered>(to_agent->body)) {
      happen("agent_registered", fmt::format("agent {} registered", to_agent->agent.value));
    }
  } else if (const auto* to_framework = std::get_if<core::ToFramework>(&effect)) {
    if (const auto* subscribed = std::get_if<core::Subscribed>(&to_framework->body)) {
      happen("framework_subscribed",
             fmt::format("framework {} subscribed", subscribed->framework.value));
    }
  } else if (const auto* change = std::get_if<core::ToRegistry>(&effect)) {
    if (const auto* lost = std::get_if<core::MarkUnreachable>(&change->body)) {
      happen("agent_unreachable", fmt::format("agent {} is unreachable", lost->agent.value));
    } else if (const auto* gone = std::get_if<core::MarkGone>(&change->body)) {
      happen("agent_gone", fmt::format("agent {} is gone", gone->agent.value));
    } else if (const auto* removed = std::get_if<core::RemoveAgent>(&change->body)) {
      happen("agent_removed", fmt::format("agent {} ended", removed->agent.value));
    }
  }
}

void Seat::happen(const std::string& kind, const std::string& text) {
  registry_->note({lane_.wall(), kind, text});
}

// ---- what the Door asks

void Seat::receive(ToSeat message) {
  if (ended_) {
    return;
  }
  std::visit([this](auto&& body) { on(std::forward<decltype(body)>(body)); }, std::move(message));
}

void Seat::on(Opened message) {
  std::visit([this](auto&& event) { step(std::forward<decltype(event)>(event)); },
             std::move(message.event));
}

void Seat::on(const Closed& message) { step(core::StreamClosed{message.stream}); }

void Seat::on(FrameworkCall message) {
  if (core_ == nullptr) {
    answer(message.exchange, 503, "No leader elected");
    return;
  }
  switch (core_->check_call(message.framework, message.stream, std::nullopt)) {
    case core::CallCheck::ok: break;
    case core::CallCheck::not_recovered:
      answer(message.exchange, 503, "Master has not finished recovery");
      return;
    case core::CallCheck::unknown_framework:
      answer(message.exchange, 400, "Framework cannot be found");
      return;
    case core::CallCheck::wrong_principal:
      answer(message.exchange, 400, "The principal is not the framework's");
      return;
    case core::CallCheck::disconnected:
      answer(message.exchange, 403, "Framework is not subscribed");
      return;
    case core::CallCheck::wrong_stream:
      answer(message.exchange, 400,
             "The stream ID included in this request didn't match the stream ID currently "
             "associated with the framework, or it is missing");
      return;
  }
  answer(message.exchange, 202, "");
  if (message.event) {
    step(*std::move(message.event));
  }
}

void Seat::on(AgentCall message) {
  if (core_ == nullptr || !core_->is_agent_stream(message.stream)) {
    answer(message.exchange, 409, "The stream is not the agent's, subscribe again");
    return;
  }
  const bool checked = options_.planted != PlantedBug::skip_master_epoch_check;
  if (checked && message.leadership != standing_.leadership) {
    answer(message.exchange, 409, "The call is of another epoch, subscribe again");
    return;
  }
  answer(message.exchange, 202, "");
  if (message.event) {
    step(*std::move(message.event));
  }
}

void Seat::on(OperatorCall message) {
  if (core_ == nullptr) {
    answer(message.exchange, 503, "No leader elected");
    return;
  }
  answer(message.exchange, 200, "");
  step(std::move(message.event));
}

void Seat::on(const Explain& message) {
  if (core_ == nullptr) {
    answer(message.exchange, 503, "No leader elected");
    return;
  }
  allocator::Explanation explanation =
      core_->explain(message.framework, message.role, message.shape);
  if (message.framework.empty()) {
    explanation.verdict = verdict_for_anybody(explanation);
  }
  mesos::JsonWriter out;
  out.begin_object()
      .field("fits", static_cast<std::uint64_t>(explanation.agents_fit_free))
      .field("agents", static_cast<std::uint64_t>(explanation.agents))
      .field("verdict", allocator::to_string(explanation.verdict))
      .field("text", allocator::to_string(explanation));
  out.key("short_of").begin_array();
  for (const std::string& name : explanation.short_of) {
    out.string(name);
  }
  out.end_array().end_object();
  answer(message.exchange, 200, out.take());
}

void Seat::on(const WantPicture& /*message*/) {
  if (core_ == nullptr) {
    return;  // the Door answers for itself while nobody leads here
  }
  Picture picture;
  picture.made_at = lane_.wall();
  picture.leadership = standing_.leadership;
  picture.elected_at = elected_wall_;
  picture.view = core_->view();
  picture.summary = core_->summary();
  picture.masters = masters_;
  const auto& happenings = registry_->records().happenings();
  picture.happenings.assign(happenings.begin(), happenings.end());
  picture.failover = failover_;
  say(NewPicture{std::make_shared<const Picture>(std::move(picture))});
}

void Seat::answer(Exchange exchange, int status, std::string body) {
  say(Answer{exchange, status, std::move(body)});
}

// ---- to the Door

void Seat::say(ToDoor message) {
  outbox_.push_back(std::make_shared<ToDoor>(std::move(message)));
  if (!flushing_) {
    flush();
  }
}

void Seat::flush() {
  flushing_ = false;
  while (!outbox_.empty()) {
    if (!door_.try_send(outbox_.front())) {
      flushing_ = true;
      lane_.after(outbox_retry, scope_.wrap([this] { flush(); }));
      return;
    }
    outbox_.pop_front();
  }
}

}  // namespace synod::master
