#include "services/node.h"

#include <fmt/format.h>

#include "http/json.h"
#include "ports/entropy.h"

namespace synod::services {
namespace {

constexpr char election_path[] = "/synod.services.election";
constexpr char epoch_path[] = "/synod.services.epoch";

// host:port of a MasterInfo in JSON, or of our own candidate's document.
std::optional<ports::HostPort> address_of(const Bytes& data) {
  const auto json = http::parse_json(data);
  if (!json.ok()) {
    return std::nullopt;
  }
  const http::Json& address = (*json)["address"];
  std::string host(address["ip"].as_string());
  if (host.empty()) {
    host = address["hostname"].as_string();
  }
  const std::int64_t port = address["port"].as_int();
  if (host.empty() || port <= 0 || port > 65535) {
    return std::nullopt;
  }
  return ports::HostPort{host, static_cast<std::uint16_t>(port)};
}

Bytes candidate_of(const ports::HostPort& advertised) {
  return http::to_string(http::Json::object(
      {{"address", http::Json::object({{"ip", advertised.host},
                                       {"port", static_cast<std::int64_t>(advertised.port)}})}}));
}

}  // namespace

Node::Node(ports::Lane& lane, ports::Network& network, ports::Processes& processes,
           NodeOptions options, Fatal fatal)
    : lane_(lane),
      network_(network),
      processes_(processes),
      options_(std::move(options)),
      fatal_(std::move(fatal)),
      api_(
          lane, core_, [this] { return standing(); },
          [this](const core::Event& event) { submit(event); }) {}

Node::~Node() { lane_.cancel(timer_); }

Status Node::start() {
  http::Router router;
  api_.serve(router);
  server_ =
      std::make_unique<http::Server>(lane_, network_, http::ServerOptions{}, std::move(router));
  SYNOD_TRY(server_->listen(options_.listen));
  if (options_.advertised.port == 0) {
    options_.advertised.port = server_->address().port;
  }
  election::ElectionOptions election;
  election.connect = options_.zk;
  election.connect.path.clear();
  election.path = election_path;
  election.epoch_path = epoch_path;
  election.candidate = candidate_of(options_.advertised);
  election.session_timeout = options_.session_timeout;
  election_ = std::make_unique<election::Election>(lane_, network_, std::move(election), *this);
  return {};
}

ports::Address Node::address() const { return server_->address(); }

void Node::stop(std::function<void()> done) {
  leads_ = false;
  detector_.reset();
  link_.reset();
  election_->resign(std::move(done));
}

void Node::on_session(const zkclient::Credentials& credentials) {
  if (options_.sentinel_command.empty()) {
    return;
  }
  election::SentinelOrder order;
  order.connect = options_.zk;
  order.connect.path.clear();
  order.credentials = credentials;
  order.session_timeout = election_->client().session_timeout();
  sentinel_ = std::make_unique<election::SentinelKeeper>(
      lane_, processes_, options_.sentinel_command, options_.sentinel_environment, order);
}

void Node::on_leader(const std::optional<election::Leader>& leader) {
  const auto address = leader ? address_of(leader->data) : std::nullopt;
  leader_ = address ? ports::to_string(*address) : "";
  lane_.log().info("services", "scheduler leading: {}", leader_.empty() ? "none" : leader_);
}

void Node::on_elected(const election::Leadership& leadership) {
  RecordStore::Callbacks callbacks;
  callbacks.stored = [this](std::uint64_t serial) { submit(core::Stored{lane_.now(), serial}); };
  callbacks.lost = [this](const std::string& why) { on_lost(why); };
  store_ = std::make_unique<RecordStore>(lane_, election_->client(), leadership.candidate_path,
                                         std::move(callbacks));
  store_->load(scope_.wrap([this](StoreContent content) { loaded(std::move(content)); }));
}

void Node::loaded(StoreContent content) {
  const std::string token = fmt::format("{:08x}", lane_.entropy().next() & 0xffffffff);
  lane_.log().info("services", "leads: {} apps, framework {}", content.records.size(),
                   content.framework_id.empty() ? "new" : content.framework_id);
  leads_ = true;
  stored_framework_id_ = content.framework_id;
  LinkOptions link;
  link.user = options_.user;
  link.hostname = options_.advertised.host;
  link.web_url = "http://" + ports::to_string(options_.advertised);
  LinkCallbacks callbacks;
  callbacks.hear = [this](const core::Event& event) { submit(event); };
  callbacks.named = [this](const std::string& id) {
    if (id != stored_framework_id_) {
      stored_framework_id_ = id;
      store_->set_framework_id(id, [] {});
    }
  };
  callbacks.deposed = [this](const std::string& why) { on_lost(why); };
  link_ = std::make_unique<SchedulerLink>(lane_, network_, std::move(link), std::move(callbacks));
  link_->set_framework_id(content.framework_id);
  submit(core::Lead{lane_.now(), token, std::move(content.records)});
  election::DetectorOptions detector;
  detector.connect = options_.zk;
  detector.session_timeout = options_.session_timeout;
  detector_ = std::make_unique<election::Detector>(
      lane_, network_, std::move(detector),
      scope_.wrap([this](const std::optional<election::Leader>& leader) { on_master(leader); }));
}

void Node::on_master(const std::optional<election::Leader>& leader) {
  const auto address = leader ? address_of(leader->data) : std::nullopt;
  lane_.log().info("services", "master leading: {}", address ? ports::to_string(*address) : "none");
  link_->set_master(address);
}

void Node::on_may_speak(bool may_speak) {
  lane_.log().info("services", "{}", may_speak ? "leadership confirmed" : "silent until confirmed");
}

void Node::on_lost(const std::string& why) {
  leads_ = false;
  fatal_(why);
}

void Node::submit(const core::Event& event) {
  core::Effects effects;
  core_.step(event, effects);
  for (const core::Effect& effect : effects) {
    perform(effect);
  }
}

void Node::perform(const core::Effect& effect) {
  if (const auto* store = std::get_if<core::Store>(&effect)) {
    store_->store(*store);
  } else if (const auto* erase = std::get_if<core::Erase>(&effect)) {
    store_->erase(*erase);
  } else if (const auto* timer = std::get_if<core::SetTimer>(&effect)) {
    lane_.cancel(timer_);
    timer_ = lane_.after(timer->at - lane_.now(),
                         scope_.wrap([this] { submit(core::Tick{lane_.now()}); }));
  } else if (const auto* reply = std::get_if<core::Reply>(&effect)) {
    api_.on_reply(*reply);
  } else if (const auto* note = std::get_if<core::Note>(&effect)) {
    lane_.log().info("services", "{}{} {}", note->app,
                     note->index == 0 ? "" : "." + std::to_string(note->index), note->text);
    api_.on_note(*note);
  } else if (link_ != nullptr) {
    link_->perform(effect);
  }
}

Api::Standing Node::standing() const {
  Api::Standing standing;
  standing.leads = leads_ && election_ != nullptr && election_->may_speak();
  standing.leader = standing.leads ? ports::to_string(options_.advertised) : leader_;
  if (!standing.leads && standing.leader == ports::to_string(options_.advertised)) {
    standing.leader.clear();  // elected, and not ready yet
  }
  standing.subscribed = link_ != nullptr && link_->subscribed();
  standing.framework_id = link_ == nullptr ? "" : link_->framework_id();
  return standing;
}

}  // namespace synod::services
