// The half of a master that the world talks to: HTTP, event streams, JSON and protobuf.
//
// Every request is checked in the order of mesos.md 1.4; what only the core knows is asked of the
// Seat, and the answer leaves when the Seat's comes. Nothing is said in the name of the leader
// after the instant up to which the Seat has vouched for leading: what comes later waits until it
// vouches again.
//
// Threads  Confined to its Lane. receive() is called there (through a Sender).
// Memory   Owns server and streams; holds requests under way.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "http/server.h"
#include "master/coordinators.h"
#include "master/messages.h"
#include "master/options.h"
#include "master/reports.h"
#include "master/subscribers.h"
#include "ports/network.h"
#include "ports/sender.h"

namespace synod::mesos::internal {
class AgentCall;
}

namespace mesos::v1::scheduler {
class Call;
}

namespace synod::master {

class Door {
 public:
  Door(ports::Lane& lane, ports::Network& network, const Options& options, Identity identity,
       ports::Sender<ToSeat> seat);
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  // Afterwards identity() names the real port.
  Status listen();
  const Identity& identity() const { return identity_; }

  void receive(ToDoor message);

 private:
  struct LeaderPage {
    http::Request request;
    http::Responder responder;
  };

  // door.cc: the Seat's messages; who may be answered what
  void on(Answer message);
  void on(Say message);
  void on(Standing message);
  void on(const Fresh& message);
  void on(NewPicture message);
  void perform(const core::ToFramework& effect);
  void perform(const core::ToAgent& effect);
  void perform(const core::CloseStream& effect);
  bool is_fresh() const { return lane_.now() <= fresh_until_; }
  // Sends to the Seat; false if it has no room.
  bool tell(ToSeat message);
  Exchange remember(http::Responder responder);

  // door_routes.cc
  void handle(http::Request request, http::Responder responder);
  // True if it was answered: redirected, or told that nobody leads.
  bool turn_away(const http::Request& request, http::Responder& responder) const;
  void handle_scheduler(const http::Request& request, http::Responder responder);
  void subscribe_framework(const ::mesos::v1::scheduler::Call& call, const http::Request& request,
                           http::Responder responder);
  void handle_agent(const http::Request& request, http::Responder responder);
  void subscribe_agent(const mesos::internal::AgentCall& call, const http::Request& request,
                       http::Responder responder);
  void handle_teardown(const http::Request& request, http::Responder responder);
  void handle_explain(const http::Request& request, http::Responder responder);

  // door_pages.cc
  bool handle_local_page(const std::string& path, http::Request& request,
                         http::Responder& responder);
  bool handle_leader_page(const std::string& path, http::Request& request,
                          http::Responder& responder);
  void serve(LeaderPage page);
  std::string local_metrics() const;
  std::string flags_page() const;
  std::string version_page() const;

  ports::Lane& lane_;
  const Options& options_;
  Identity identity_;
  ports::Sender<ToSeat> seat_;
  Subscribers subscribers_;
  Coordinators coordinators_;
  AgentReports reports_;
  http::Server server_;

  Standing standing_;
  Instant fresh_until_;
  std::deque<ToDoor> held_;  // while not fresh
  std::map<Exchange, http::Responder> exchanges_;
  std::uint64_t exchanges_made_ = 0;
  std::shared_ptr<const Picture> picture_;  // the last one; shared with the Seat that made it
  Instant picture_at_;
  bool picture_asked_ = false;
  std::vector<LeaderPage> waiting_pages_;
  std::map<std::string, std::string> rendered_;  // of picture_, by target
  ports::Scope scope_;
};

}  // namespace synod::master
