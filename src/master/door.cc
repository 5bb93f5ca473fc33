#include "master/door.h"

#include "master/outgoing.h"

namespace synod::master {

namespace {
// Requests that wait for the Seat; more are told to come again.
constexpr std::size_t exchanges_max = 20'000;

http::ServerOptions server_options() { return {}; }
}  // namespace

Door::Door(ports::Lane& lane, ports::Network& network, const Options& options, Identity identity,
           ports::Sender<ToSeat> seat)
    : lane_(lane),
      options_(options),
      identity_(std::move(identity)),
      seat_(std::move(seat)),
      subscribers_(lane,
                   [this](core::Stream stream) {
                     reports_.closed(stream);
                     tell(Closed{stream});
                   }),
      coordinators_(lane, network, options.zk.servers),
      server_(lane, network, server_options(),
              [this](http::Request request, http::Responder responder) {
                handle(std::move(request), std::move(responder));
              }) {}

Status Door::listen() {
  SYNOD_TRY(server_.listen(options_.listen));
  if (identity_.port == 0) {
    identity_.port = server_.address().port;
  }
  return {};
}

bool Door::tell(ToSeat message) {
  if (seat_.try_send(std::move(message))) {
    return true;
  }
  lane_.log().warning("master", "the core's queue is full, a call was turned away");
  return false;
}

Exchange Door::remember(http::Responder responder) {
  if (exchanges_.size() >= exchanges_max) {
    responder.respond(http::text_response(503, "Too many calls wait for an answer"));
    return Exchange();
  }
  const Exchange exchange(++exchanges_made_);
  exchanges_.emplace(exchange, std::move(responder));
  return exchange;
}

void Door::receive(ToDoor message) {
  // Order must hold, so behind one held message all wait; only a Fresh passes.
  if (const auto* fresh = std::get_if<Fresh>(&message)) {
    on(*fresh);
    return;
  }
  const auto* standing = std::get_if<Standing>(&message);
  if (standing != nullptr && standing->role == Standing::Role::following) {
    held_.clear();  // what was decided by a right that is gone is never said
  }
  const bool leading = standing_.role == Standing::Role::leading && standing == nullptr;
  if (leading && (!is_fresh() || !held_.empty())) {
    held_.push_back(std::move(message));
    return;
  }
  std::visit([this](auto&& body) { on(std::forward<decltype(body)>(body)); }, std::move(message));
}

void Door::on(const Fresh& message) {
  fresh_until_ = message.until;
  while (!held_.empty() && is_fresh()) {
    ToDoor next = std::move(held_.front());
    held_.pop_front();
    std::visit([this](auto&& body) { on(std::forward<decltype(body)>(body)); }, std::move(next));
  }
}

void Door::on(Answer message) {
  auto it = exchanges_.find(message.exchange);
  if (it == exchanges_.end()) {
    return;
  }
  const bool json = !message.body.empty() && message.body.front() == '{';
  it->second.respond(json ? http::json_response(message.status, std::move(message.body))
                          : http::text_response(message.status, std::move(message.body)));
  exchanges_.erase(it);
}

void Door::on(Say message) {
  for (const core::Effect& effect : message.effects) {
    if (const auto* to_framework = std::get_if<core::ToFramework>(&effect)) {
      perform(*to_framework);
    } else if (const auto* to_agent = std::get_if<core::ToAgent>(&effect)) {
      perform(*to_agent);
    } else if (const auto* close = std::get_if<core::CloseStream>(&effect)) {
      perform(*close);
    }
  }
}

void Door::on(Standing message) {
  const bool led = standing_.role == Standing::Role::leading;
  standing_ = std::move(message);
  if (led && standing_.role != Standing::Role::leading) {
    subscribers_.cut_all();
    picture_ = nullptr;
    for (LeaderPage& page : waiting_pages_) {
      page.responder.respond(http::text_response(503, "No leader elected"));
    }
    waiting_pages_.clear();
    picture_asked_ = false;
  }
}

void Door::on(NewPicture message) {
  picture_ = std::move(message.picture);
  picture_at_ = lane_.now();
  picture_asked_ = false;
  rendered_.clear();
  std::vector<LeaderPage> pages = std::move(waiting_pages_);
  waiting_pages_.clear();
  for (LeaderPage& page : pages) {
    serve(std::move(page));
  }
}

void Door::perform(const core::ToFramework& effect) {
  Subscriber* subscriber = subscribers_.find(effect.stream);
  if (subscriber == nullptr) {
    return;
  }
  if (const auto* subscribed = std::get_if<core::Subscribed>(&effect.body)) {
    subscriber->framework = subscribed->framework;
  }
  subscribers_.write(
      *subscriber, framework_event(effect, subscriber->framework, identity_, subscriber->encoding));
  if (std::holds_alternative<core::Subscribed>(effect.body)) {
    subscribers_.start_heartbeats(*subscriber, Duration::seconds(heartbeat_seconds),
                                  [this](Subscriber& to) {
                                    if (is_fresh()) {
                                      subscribers_.write(to, heartbeat_event(to.encoding));
                                    }
                                  });
  }
}

void Door::perform(const core::ToAgent& effect) {
  Subscriber* subscriber = subscribers_.find(effect.stream);
  if (subscriber == nullptr) {
    return;
  }
  if (std::holds_alternative<core::Registered>(effect.body)) {
    subscriber->agent = effect.agent;
    reports_.registered(effect.stream, effect.agent);
  }
  subscribers_.write(*subscriber, agent_event(effect, subscriber->id, identity_));
}

void Door::perform(const core::CloseStream& effect) {
  reports_.closed(effect.stream);
  subscribers_.close(effect.stream);
}

}  // namespace synod::master
