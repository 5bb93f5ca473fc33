// What is asked of a master by path: who may be answered, and the calls.

#include "master/agent_calls.h"
#include "master/door.h"
#include "master/outgoing.h"
#include "master/scheduler_calls.h"
#include "mesos/internal.h"
#include "mesos/v1/scheduler.pb.h"
#include "ports/entropy.h"
#include "resources/text.h"

namespace synod::master {

namespace {

using mesos::v1::scheduler::Call;

constexpr char scheduler_path[] = "/api/v1/scheduler";
constexpr char operator_path[] = "/api/v1";

// Without a trailing slash and without the name of the actor that Mesos puts before its paths.
std::string plain_path(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  constexpr std::string_view actor = "/master";
  if (path == actor) {
    return "/";
  }
  if (path.compare(0, actor.size() + 1, "/master/") == 0) {
    return path.substr(actor.size());
  }
  return path;
}

// The longest registered prefix wins in Mesos: what lies below a call's path is that call.
bool lies_at(const std::string& path, std::string_view at) {
  return path.compare(0, at.size(), at) == 0 &&
         (path.size() == at.size() || path[at.size()] == '/');
}

bool post_only(const http::Request& request, http::Responder& responder) {
  if (request.method == "POST") {
    return true;
  }
  http::Response response = http::text_response(
      405, "Expecting one of { 'POST' }, but received '" + request.method + "'");
  response.headers.set("Allow", "POST");
  responder.respond(std::move(response));
  return false;
}

// Rows 5 and 6: reads the body into `message`; false if it was answered.
bool read_body(const http::Request& request, http::Responder& responder,
               google::protobuf::Message& message, mesos::Encoding& encoding) {
  const std::string* type = request.headers.find("Content-Type");
  if (type == nullptr) {
    responder.respond(http::text_response(400, "Expecting 'Content-Type' to be present"));
    return false;
  }
  const auto known = mesos::encoding_of(*type);
  if (!known) {
    responder.respond(http::text_response(415, std::string("Expecting 'Content-Type' of ") +
                                                   mesos::json_type + " or " +
                                                   mesos::protobuf_type));
    return false;
  }
  encoding = *known;
  const auto read = mesos::decode(encoding, request.body, message);
  if (!read.ok()) {
    responder.respond(
        http::text_response(400, "Failed to parse body into a Call: " + read.error().message));
    return false;
  }
  return true;
}

constexpr char stream_header[] = "Mesos-Stream-Id";

}  // namespace

void Door::handle(http::Request request, http::Responder responder) {
  const std::string path = plain_path(request.path);
  if (handle_local_page(path, request, responder)) {
    return;
  }
  if (path == "/redirect") {
    if (!standing_.leader) {
      responder.respond(http::text_response(503, "No leader elected"));
      return;
    }
    responder.respond(http::redirect_response("//" + address_of(*standing_.leader)));
    return;
  }
  if (turn_away(request, responder)) {
    return;
  }
  if (lies_at(path, scheduler_path)) {
    handle_scheduler(request, std::move(responder));
  } else if (path == mesos::agent_path) {
    handle_agent(request, std::move(responder));
  } else if (path == "/teardown") {
    handle_teardown(request, std::move(responder));
  } else if (path == "/synod/v1/explain") {
    handle_explain(request, std::move(responder));
  } else if (lies_at(path, operator_path)) {
    responder.respond(http::text_response(
        501, "The operator API is not served by this version; see /state and /synod/v1/cluster"));
  } else if (!handle_leader_page(path, request, responder)) {
    responder.respond(http::text_response(404, "No such path: " + request.path));
  }
}

bool Door::turn_away(const http::Request& request, http::Responder& responder) const {
  if (standing_.role == Standing::Role::following) {
    responder.respond(standing_.leader ? http::redirect_response(
                                             "//" + address_of(*standing_.leader) + request.target)
                                       : http::text_response(503, "No leader elected"));
    return true;
  }
  if (standing_.role == Standing::Role::recovering) {
    responder.respond(http::text_response(503, "Master has not finished recovery"));
    return true;
  }
  return false;
}

void Door::handle_scheduler(const http::Request& request, http::Responder responder) {
  if (!post_only(request, responder)) {
    return;
  }
  Call call;
  mesos::Encoding encoding = mesos::Encoding::json;
  if (!read_body(request, responder, call, encoding)) {
    return;
  }
  if (auto error = call_error(call)) {
    responder.respond(http::text_response(400, "Failed to validate scheduler::Call: " + *error));
    return;
  }
  if (call.type() == Call::SUBSCRIBE) {
    subscribe_framework(call, request, std::move(responder));
    return;
  }
  if (!is_known(call)) {
    responder.respond(http::text_response(501, "Not implemented: " + Call::Type_Name(call.type())));
    return;
  }
  FrameworkCall message;
  message.framework.value = call.framework_id().value();
  const std::string* stream_id = request.headers.find(stream_header);
  if (stream_id != nullptr) {
    const Subscriber* subscriber = subscribers_.find(*stream_id);
    message.stream = subscriber == nullptr ? core::Stream() : subscriber->stream;
  }
  message.event = event_of(call);
  message.exchange = remember(std::move(responder));
  const Exchange exchange = message.exchange;
  if (exchange != Exchange() && !tell(std::move(message))) {
    on(Answer{exchange, 503, "The master is overloaded"});
  }
}

void Door::subscribe_framework(const Call& call, const http::Request& request,
                               http::Responder responder) {
  const auto encoding = mesos::acceptable_encoding(request.headers.get("Accept"));
  if (!encoding) {
    responder.respond(http::text_response(406, std::string("Expecting 'Accept' to allow ") +
                                                   mesos::json_type + " or " +
                                                   mesos::protobuf_type));
    return;
  }
  if (request.headers.has(stream_header)) {
    responder.respond(http::text_response(
        400, std::string("Subscribe calls should not include the '") + stream_header + "' header"));
    return;
  }
  const std::string id = to_string(lane_.entropy().uuid());
  http::Response head;
  head.headers.set("Content-Type", mesos::media_type(*encoding));
  head.headers.set(stream_header, id);
  Subscriber& subscriber =
      subscribers_.add(id, *encoding, false, responder.stream(std::move(head)));
  if (!tell(Opened{subscription_of(call, subscriber.stream)})) {
    subscribers_.close(subscriber.stream);
  }
}

void Door::handle_agent(const http::Request& request, http::Responder responder) {
  if (!post_only(request, responder)) {
    return;
  }
  if (!options_.join_token.empty() &&
      request.headers.get("Authorization") != "Bearer " + options_.join_token) {
    responder.respond(http::text_response(401, "A join token is needed, and this is not it"));
    return;
  }
  mesos::internal::AgentCall call;
  const auto read = mesos::decode_protobuf(request.body, call);
  if (!read.ok()) {
    responder.respond(http::text_response(400, read.error().message));
    return;
  }
  if (call.type() == mesos::internal::AgentCall::SUBSCRIBE) {
    if (!call.has_subscribe()) {
      responder.respond(http::text_response(400, "Expecting 'subscribe' to be present"));
      return;
    }
    subscribe_agent(call, request, std::move(responder));
    return;
  }
  const Subscriber* subscriber = subscribers_.find(call.stream_id());
  if (subscriber == nullptr || !subscriber->is_agent) {
    responder.respond(http::text_response(409, "The stream is not open, subscribe again"));
    return;
  }
  auto event = agent_event_of(call, subscriber->stream);
  if (!event.ok()) {
    responder.respond(http::text_response(400, event.error().message));
    return;
  }
  reports_.heard(subscriber->stream, call);
  AgentCall message;
  message.stream = subscriber->stream;
  message.leadership = leadership_of(call.epoch());
  message.event = *std::move(event);
  message.exchange = remember(std::move(responder));
  const Exchange exchange = message.exchange;
  if (exchange != Exchange() && !tell(std::move(message))) {
    on(Answer{exchange, 503, "The master is overloaded"});
  }
}

void Door::subscribe_agent(const mesos::internal::AgentCall& call, const http::Request& request,
                           http::Responder responder) {
  using Refused = mesos::internal::MasterEvent::Refused;
  const auto seen = leadership_of(call.subscribe().highest_seen());
  if (seen && seen->lineage == standing_.leadership.lineage &&
      seen->epoch > standing_.leadership.epoch) {
    lane_.log().warning("master", "an agent has seen epoch {}, this master's is {}",
                        seen->epoch.value(), standing_.leadership.epoch.value());
    responder.respond(http::text_response(503, "A later master has been elected"));
    return;
  }
  const std::string id = to_string(lane_.entropy().uuid());
  http::Response head;
  head.headers.set("Content-Type", mesos::protobuf_type);
  Subscriber& subscriber =
      subscribers_.add(id, mesos::Encoding::protobuf, true, responder.stream(std::move(head)));
  auto refuse = [this, &subscriber](int reason, const std::string& why) {
    lane_.log().warning("master", "an agent was refused: {}", why);
    subscribers_.write(subscriber, agent_refusal(standing_.leadership, reason, why));
    subscribers_.close(subscriber.stream);
  };
  if (call.versions().oldest() > mesos::internal_protocol ||
      call.versions().protocol() < mesos::internal_protocol_oldest) {
    refuse(Refused::VERSION, "no common version of the protocol between master and agent");
    return;
  }
  auto event = agent_subscription_of(call, subscriber.stream, request.peer.address.host);
  if (!event.ok()) {
    refuse(Refused::INVALID, event.error().message);
    return;
  }
  reports_.subscribed(subscriber.stream, call);
  if (!tell(Opened{*std::move(event)})) {
    subscribers_.close(subscriber.stream);
  }
}

void Door::handle_teardown(const http::Request& request, http::Responder responder) {
  if (!post_only(request, responder)) {
    return;
  }
  const auto form = http::parse_query(request.body);
  const auto framework = form.find("frameworkId");
  if (framework == form.end()) {
    responder.respond(http::text_response(400, "Missing 'frameworkId' in the form"));
    return;
  }
  const Exchange exchange = remember(std::move(responder));
  if (exchange != Exchange() &&
      !tell(OperatorCall{exchange, core::OperatorTeardown{{framework->second}}})) {
    on(Answer{exchange, 503, "The master is overloaded"});
  }
}

void Door::handle_explain(const http::Request& request, http::Responder responder) {
  Explain message;
  for (const auto& [name, text] : request.query) {
    if (name == "framework") {
      message.framework.value = text;
    } else if (name == "role") {
      message.role = text;
    } else {
      auto amount = resources::parse_milli(text);
      if (!amount.ok()) {
        responder.respond(http::error_response(400, name + ": " + amount.error().message));
        return;
      }
      if (name == "ports") {
        message.shape.ports = static_cast<std::uint64_t>(*amount / 1000);
      } else {
        message.shape.scalars.add(name, *amount);
      }
    }
  }
  message.exchange = remember(std::move(responder));
  const Exchange exchange = message.exchange;
  if (exchange != Exchange() && !tell(std::move(message))) {
    on(Answer{exchange, 503, "The master is overloaded"});
  }
}

}  // namespace synod::master
