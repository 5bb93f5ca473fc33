#include "sim/resources/framework.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace synod::sim::resources {
namespace {

using http::Json;

constexpr Duration silence_max = Duration::seconds(35);  // two heartbeats and a little
constexpr Duration post_patience = Duration::seconds(30);

Json value_object(const std::string& value) { return Json::object({{"value", Json(value)}}); }

std::string text_of(const Json& json) { return std::string(json["value"].as_string()); }

std::int64_t to_milli(const Json& scalar) {
  return static_cast<std::int64_t>(scalar["value"].as_double() * 1000.0 + 0.5);
}

Amount amount_of(const Json& resources) {
  Amount amount;
  for (const Json& resource : resources.items()) {
    if (resource["name"].as_string() == "cpus") {
      amount.cpus_milli += to_milli(resource["scalar"]);
    } else if (resource["name"].as_string() == "mem") {
      amount.mem_milli += to_milli(resource["scalar"]);
    }
  }
  return amount;
}

Json scalar(const std::string& name, std::int64_t milli) {
  return Json::object(
      {{"name", Json(name)},
       {"type", Json("SCALAR")},
       {"scalar", Json::object({{"value", Json(static_cast<double>(milli) / 1000.0)}})}});
}

Json task_info(const TaskRecord& task, std::int64_t runs_ms) {
  // The comment behind the command lets whoever sees it run know which task it is.
  const std::string command =
      fmt::format("sleep {}.{:03}; exit {}; task {} {} {}", runs_ms / 1000, runs_ms % 1000,
                  task.exit_code, task.id, task.amount.cpus_milli, task.amount.mem_milli);
  Json resources = Json::array();
  resources.push(scalar("cpus", task.amount.cpus_milli));
  resources.push(scalar("mem", task.amount.mem_milli));
  return Json::object(
      {{"name", Json(task.id)},
       {"task_id", value_object(task.id)},
       {"agent_id", value_object(task.agent)},
       {"resources", resources},
       {"command", Json::object({{"shell", Json(true)}, {"value", Json(command)}})}});
}

}  // namespace

bool is_terminal(const std::string& state) {
  return state == "TASK_FINISHED" || state == "TASK_FAILED" || state == "TASK_KILLED" ||
         state == "TASK_ERROR" || state == "TASK_DROPPED" || state == "TASK_GONE" ||
         state == "TASK_GONE_BY_OPERATOR" || state == "TASK_LOST";
}

Framework::Framework(SimProcess& process, FrameworkOptions options)
    : process_(process),
      lane_(process.main_lane()),
      options_(std::move(options)),
      prng_(lane_.entropy().next()) {
  subscribe_later();
}

Framework::~Framework() = default;

bool Framework::settled(const TaskRecord& task) const {
  return !task.terminal.empty() || (task.updates.empty() && task.state == "TASK_UNKNOWN");
}

bool Framework::done() const {
  if (launched_ < options_.tasks) {
    return false;
  }
  for (const auto& [id, task] : tasks_) {
    if (!settled(task)) {
      return false;
    }
  }
  return true;
}

std::string Framework::waits_for() const {
  std::string text = fmt::format("launched {} of {}, {}subscribed", launched_, options_.tasks,
                                 subscribed() ? "" : "not ");
  for (const auto& [id, task] : tasks_) {
    if (!settled(task)) {
      text += fmt::format(", {} on {} is {}", id, task.agent,
                          task.state.empty() ? "unheard of" : task.state);
    }
  }
  return text;
}

void Framework::subscribe_later() {
  lane_.after(Duration::millis(prng_.between(20, 400)),
              stream_scope_.wrap([this] { subscribe(); }));
}

void Framework::subscribe() {
  Json info = Json::object({{"user", Json("root")},
                            {"name", Json(options_.name)},
                            {"failover_timeout", Json(3600.0)},
                            {"checkpoint", Json(true)}});
  Json capabilities = Json::array();
  capabilities.push(Json::object({{"type", Json("PARTITION_AWARE")}}));
  info.set("capabilities", capabilities);
  Json call = Json::object({{"type", Json("SUBSCRIBE")}});
  if (!framework_id_.empty()) {
    info.set("id", value_object(framework_id_));
    call.set("framework_id", value_object(framework_id_));
  }
  call.set("subscribe", Json::object({{"framework_info", info}}));
  records_.clear();
  heard_at_ = lane_.now();
  // A stream that was given up lives until its next turn, and is not listened to.
  HttpListener listener;
  listener.on_head = stream_scope_.wrap([this](const HttpHead& head) { on_head(head); });
  listener.on_body = stream_scope_.wrap([this](ByteView bytes) { on_body(bytes); });
  listener.on_end = stream_scope_.wrap([this](const std::string&) { lose_stream(); });
  stream_ = std::make_unique<RawHttp>(
      process_,
      HttpRequest{
          options_.masters[master_], "POST", "/api/v1/scheduler", {}, http::to_string(call)},
      std::move(listener));
  watch_stream();
}

void Framework::watch_stream() {
  lane_.after(Duration::seconds(5), stream_scope_.wrap([this] {
    // Without a stream id it has not been answered at all.
    if (lane_.now() - heard_at_ > (subscribed() ? silence_max : Duration::seconds(5))) {
      lose_stream();
    } else {
      watch_stream();
    }
  }));
}

void Framework::lose_stream() {
  stream_id_.clear();
  offers_.clear();
  stream_scope_.reset();
  lane_.after(Duration(), [stream = std::move(stream_)] {});
  stream_ = nullptr;
  master_ = (master_ + 1) % options_.masters.size();
  subscribe_later();
}

void Framework::on_head(const HttpHead& head) {
  heard_at_ = lane_.now();
  if (head.status == 200) {
    auto it = head.headers.find("mesos-stream-id");
    if (it == head.headers.end()) {
      complaints_.push_back("a subscription without a Mesos-Stream-Id");
      return;
    }
    stream_id_ = it->second;
    ++subscriptions_;
  }
}

void Framework::on_body(ByteView bytes) {
  if (!subscribed()) {
    return;
  }
  heard_at_ = lane_.now();
  records_ += bytes;
  for (;;) {
    const std::size_t line = records_.find('\n');
    if (line == std::string::npos) {
      return;
    }
    std::size_t size = 0;
    std::from_chars(records_.data(), records_.data() + line, size);
    if (records_.size() < line + 1 + size) {
      return;
    }
    const auto event = http::parse_json(ByteView(records_).substr(line + 1, size));
    records_.erase(0, line + 1 + size);
    if (!event.ok()) {
      complaints_.push_back("an event that is no JSON: " + to_string(event.error()));
      return;
    }
    on_record(*event);
    if (!subscribed()) {
      return;
    }
  }
}

void Framework::on_record(const Json& event) {
  const std::string_view type = event["type"].as_string();
  if (type == "SUBSCRIBED") {
    on_subscribed(event["subscribed"]);
  } else if (type == "OFFERS") {
    on_offers(event["offers"]);
  } else if (type == "RESCIND") {
    offers_.erase(text_of(event["rescind"]["offer_id"]));
  } else if (type == "UPDATE") {
    on_update(event["update"]["status"]);
  } else if (type == "ERROR") {
    complaints_.push_back("refused: " + std::string(event["error"]["message"].as_string()));
    lose_stream();
  }
}

void Framework::on_subscribed(const Json& event) {
  const std::string id = text_of(event["framework_id"]);
  if (!framework_id_.empty() && id != framework_id_) {
    complaints_.push_back("the framework id changed from " + framework_id_ + " to " + id);
  }
  framework_id_ = id;
  offers_.clear();
  reconcile();
}

// Asks about everything that is not over, now and again: answers may be lost with a master.
void Framework::reconcile() {
  Json list = Json::array();
  std::size_t count = 0;
  for (const auto& [id, task] : tasks_) {
    // A question that overtakes the ACCEPT is rightly answered with TASK_GONE.
    if (task.terminal.empty() && task.asked) {
      ++count;
      list.push(
          Json::object({{"task_id", value_object(id)}, {"agent_id", value_object(task.agent)}}));
    }
  }
  if (count != 0) {
    Json call = make_call("RECONCILE");
    call.set("reconcile", Json::object({{"tasks", list}}));
    post(std::move(call), [](int) {});
  }
  lane_.after(Duration::seconds(3), stream_scope_.wrap([this] {
    if (subscribed()) {
      reconcile();
    }
  }));
}

// What is offered on one host, and what runs there, never exceeds what it has.
void Framework::check_host(const std::string& hostname) {
  Amount sum = options_.running(hostname);
  for (const auto& [id, offer] : offers_) {
    if (offer.hostname == hostname) {
      sum.add(offer.amount);
    }
  }
  if (!sum.fits(options_.agent_total)) {
    complaints_.push_back(fmt::format(
        "{} is offered and used beyond its total at {} ms: cpus {} of {}", hostname,
        process_.world().here().millis(), sum.cpus_milli, options_.agent_total.cpus_milli));
  }
}

void Framework::on_offers(const Json& event) {
  std::vector<std::string> fresh;
  for (const Json& offer : event["offers"].items()) {
    const std::string id = text_of(offer["id"]);
    offers_[id] = Offer{text_of(offer["agent_id"]), std::string(offer["hostname"].as_string()),
                        amount_of(offer["resources"])};
    fresh.push_back(id);
    check_host(offers_[id].hostname);
  }
  for (const std::string& id : fresh) {
    // Some offers are kept for a while: they must not be given to anybody else meanwhile.
    const Duration wait =
        prng_.chance(1, 4) ? Duration::millis(prng_.between(1, 3000)) : Duration();
    lane_.after(wait, stream_scope_.wrap([this, id] {
      auto it = offers_.find(id);
      if (it != offers_.end() && subscribed()) {
        const Offer offer = it->second;
        offers_.erase(it);
        use(id, offer);
      }
    }));
  }
}

void Framework::use(const std::string& offer_id, const Offer& offer) {
  Json tasks = Json::array();
  Amount left = offer.amount;
  std::vector<std::string> ids;
  const auto count = prng_.between(0, 3);
  for (std::int64_t i = 0; i < count && launched_ < options_.tasks; ++i) {
    TaskRecord task;
    task.amount = {prng_.between(1, options_.task_max.cpus_milli / 100) * 100,
                   prng_.between(32, options_.task_max.mem_milli / 1000) * 1000};
    if (!task.amount.fits(left)) {
      break;
    }
    left.cpus_milli -= task.amount.cpus_milli;
    left.mem_milli -= task.amount.mem_milli;
    task.id = fmt::format("{}-task-{}", options_.name, ++launched_);
    task.agent = offer.agent;
    task.exit_code = prng_.chance(1, 5) ? 3 : 0;
    tasks.push(task_info(task, prng_.between(50, options_.task_runs_max.millis())));
    ids.push_back(task.id);
    tasks_[task.id] = task;
  }
  Json offers = Json::array();
  offers.push(value_object(offer_id));
  const Json filters =
      Json::object({{"refuse_seconds", Json(static_cast<double>(prng_.between(0, 20)) / 10.0)}});
  if (ids.empty()) {
    Json call = make_call("DECLINE");
    call.set("decline", Json::object({{"offer_ids", offers}, {"filters", filters}}));
    post(std::move(call), [](int) {});
    return;
  }
  Json operations = Json::array();
  operations.push(
      Json::object({{"type", Json("LAUNCH")}, {"launch", Json::object({{"task_infos", tasks}})}}));
  Json call = make_call("ACCEPT");
  call.set("accept",
           Json::object({{"offer_ids", offers}, {"operations", operations}, {"filters", filters}}));
  post(std::move(call), [this, ids](int status) {
    for (const std::string& id : ids) {
      tasks_[id].asked = true;
      tasks_[id].accepted = tasks_[id].accepted || status == 202;
    }
  });
}

void Framework::on_update(const Json& status) {
  const std::string id = text_of(status["task_id"]);
  auto it = tasks_.find(id);
  if (it == tasks_.end()) {
    complaints_.push_back("an update of a task nobody launched: " + id);
    return;
  }
  TaskRecord& task = it->second;
  const std::string state(status["state"].as_string());
  const std::string uuid(status["uuid"].as_string());
  task.state = state;
  if (state != "TASK_UNKNOWN" && state != "TASK_UNREACHABLE") {
    task.updates.push_back(state);
    task.running_seen = task.running_seen || state == "TASK_RUNNING";
  }
  if (is_terminal(state) && task.terminal.empty()) {
    task.terminal = state;
    task.terminal_at = process_.world().here();
    task.terminal_source = std::string(status["source"].as_string());
  } else if (!is_terminal(state) && !task.terminal.empty() && state != "TASK_UNKNOWN" &&
             task.terminal != "TASK_LOST" && task.terminal != "TASK_DROPPED") {
    complaints_.push_back(fmt::format("{} is {} after it was {}", id, state, task.terminal));
  }
  // Some acknowledgements are forgotten: the update must come again.
  if (!uuid.empty() && !prng_.chance(1, 8)) {
    Json call = make_call("ACKNOWLEDGE");
    call.set("acknowledge", Json::object({{"agent_id", status["agent_id"]},
                                          {"task_id", status["task_id"]},
                                          {"uuid", Json(uuid)}}));
    post(std::move(call), [](int) {});
  }
  if (state == "TASK_RUNNING") {
    maybe_kill();
  }
}

void Framework::maybe_kill() {
  if (!prng_.chance(1, 8) || tasks_.empty()) {
    return;
  }
  auto it = tasks_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(prng_.below(tasks_.size())));
  TaskRecord& task = it->second;
  // One that overtakes the ACCEPT is rightly answered with TASK_GONE, like a question.
  if (!task.terminal.empty() || !task.asked) {
    return;
  }
  task.kill_asked = true;
  Json call = make_call("KILL");
  call.set("kill", Json::object({{"task_id", value_object(task.id)},
                                 {"agent_id", value_object(task.agent)}}));
  post(std::move(call), [](int) {});
}

Json Framework::make_call(const std::string& type) const {
  return Json::object({{"framework_id", value_object(framework_id_)}, {"type", Json(type)}});
}

// `answered` hears the status, and 0 when nothing more can come.
void Framework::post(Json call, std::function<void(int)> answered) {
  const std::uint64_t number = post_next_++;
  HttpListener listener;
  listener.on_head = [answered](const HttpHead& head) { answered(head.status); };
  listener.on_body = [](ByteView) {};
  listener.on_end = [this, number, answered](const std::string&) {
    answered(0);
    lane_.after(Duration(), scope_.wrap([this, number] { posts_.erase(number); }));
  };
  posts_[number] = std::make_unique<RawHttp>(process_,
                                             HttpRequest{options_.masters[master_],
                                                         "POST",
                                                         "/api/v1/scheduler",
                                                         {{"Mesos-Stream-Id", stream_id_}},
                                                         http::to_string(call)},
                                             std::move(listener));
  // A connection whose other end lost its power may never end by itself.
  lane_.after(post_patience, scope_.wrap([this, number, answered] {
    if (posts_.erase(number) != 0) {
      answered(0);
    }
  }));
}

}  // namespace synod::sim::resources
