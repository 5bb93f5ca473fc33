// The framework's side of the v1 scheduler API: a subscription, and calls in order.
//
// Hears the master's events as events of services::core and performs those of its effects that go
// to the master. Calls are posted one after the other, so that a DECLINE never overtakes an ACCEPT.
// A call whose outcome is unknown (the connection broke) ends the subscription: the next one
// reconciles.
//
// Source   Mesos v1 scheduler API.
// Threads  Confined to its Lane.
// Memory   Destroying it drops the connection; nothing is called afterwards.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "http/client.h"
#include "ports/lane.h"
#include "ports/network.h"
#include "ports/scope.h"
#include "services/core/core.h"

namespace synod::services {

struct LinkOptions {
  std::string framework_name = "synod-services";
  std::string user = "root";
  std::string hostname;
  std::string web_url;
  // While nobody leads the tasks run on; only after this long does the master end them.
  Duration failover_timeout = Duration::seconds(7 * 24 * 3600);
};

struct LinkCallbacks {
  std::function<void(const core::Event&)> hear;
  // The id under which the master knows us; to be stored before anything is launched.
  std::function<void(const std::string&)> named;
  // Another process subscribed under our id: we no longer lead.
  std::function<void(const std::string& why)> deposed;
};

class SchedulerLink {
 public:
  SchedulerLink(ports::Lane& lane, ports::Network& network, LinkOptions options,
                LinkCallbacks callbacks);
  ~SchedulerLink();

  // The leading master, as the detector sees it; none stops trying.
  void set_master(std::optional<ports::HostPort> master);
  // Known from the records; empty for a new framework. Before the first set_master().
  void set_framework_id(const std::string& id) { framework_id_ = id; }
  const std::string& framework_id() const { return framework_id_; }
  bool subscribed() const { return !stream_id_.empty(); }

  // Accept, Decline, Suppress, Revive, Kill, Acknowledge, Reconcile; others are ignored. Dropped
  // while not subscribed: the reconciliation after the next subscription makes up for it.
  void perform(const core::Effect& effect);

 private:
  struct Posting;

  void subscribe();
  void on_head(const http::Response& head);
  void on_body(ByteView piece);
  void on_record(ByteView record);
  void on_end(const Status& end);
  void lose(const std::string& why);
  void retry();
  void post(Bytes call);
  void post_next();
  void posted(const Result<http::Response>& result);

  ports::Lane& lane_;
  http::Client client_;
  LinkOptions options_;
  LinkCallbacks callbacks_;
  std::optional<ports::HostPort> master_;
  std::optional<ports::HostPort> former_;      // who led before master_
  std::optional<ports::HostPort> redirected_;  // whom the present attempt goes to
  std::optional<ports::HostPort> follow_;      // whom the next one goes to
  std::string framework_id_;
  std::string stream_id_;
  std::unique_ptr<http::Call> stream_;
  struct Decoder;
  std::unique_ptr<Decoder> decoder_;
  std::deque<Bytes> queue_;
  std::unique_ptr<http::Call> posting_;
  std::map<std::string, std::string> hosts_;  // agent id -> hostname, for $HOST
  Duration pause_;
  ports::TimerId retry_timer_;
  ports::Scope scope_;
};

}  // namespace synod::services
