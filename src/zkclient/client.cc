#include "zkclient/client.h"

#include <algorithm>

#include "base/check.h"
#include "zkclient/session.h"

namespace synod::zkclient {
namespace {

using zkwire::Code;
using zkwire::OpCode;

std::int32_t flags_of(CreateMode mode) {
  switch (mode) {
    case CreateMode::persistent: return zkwire::create_flag::persistent;
    case CreateMode::ephemeral: return zkwire::create_flag::ephemeral;
    case CreateMode::persistent_sequential: return zkwire::create_flag::persistent_sequential;
    case CreateMode::ephemeral_sequential: return zkwire::create_flag::ephemeral_sequential;
  }
  return 0;
}

std::string with_chroot(const std::string& chroot, const std::string& path) {
  return chroot.empty() ? path : path == "/" ? chroot : chroot + path;
}

std::string without_chroot(const std::string& chroot, std::string path) {
  if (!chroot.empty() && path.starts_with(chroot)) {
    path.erase(0, chroot.size());
  }
  return path.empty() ? "/" : path;
}

// Every answer goes through here: ok becomes `read(reply)`, everything else a Failure.
template <typename T, typename Session, typename Read>
auto answering(Done<T> done, Read read) {
  return [done = std::move(done), read](typename Session::Outcome outcome) {
    if (outcome.code != Code::ok) {
      done(Failure{outcome.code, outcome.certainty, 0});
    } else {
      done(read(outcome.reply));
    }
  };
}

// A reply of another form than its request's cannot come out of zkwire's decoder.
template <typename R>
const R& as(const zkwire::Reply& reply) {
  const R* found = std::get_if<R>(&reply);
  SYNOD_CHECK(found != nullptr);
  return *found;
}

}  // namespace

std::string to_string(const Failure& failure) {
  return std::string(zkwire::to_string(failure.code)) +
         (failure.certainty == Certainty::unknown ? " (outcome unknown)" : "");
}

const char* to_string(State state) {
  switch (state) {
    case State::connecting: return "connecting";
    case State::connected: return "connected";
    case State::suspended: return "suspended";
    case State::expired: return "expired";
    case State::closed: return "closed";
    case State::auth_failed: return "auth_failed";
  }
  return "unknown";
}

Client::Client(ports::Lane& lane, ports::Network& network, ClientOptions options, OnState on_state)
    : session_(std::make_shared<Session>(lane, network, std::move(options), std::move(on_state))) {
  session_->start();
}

Client::~Client() { session_->abandon(); }

void Client::create(const std::string& path, Bytes data, CreateMode mode, Done<Created> done,
                    zkwire::AclList acl) {
  const std::string chroot = session_->chroot();
  session_->submit(
      {OpCode::create,
       zkwire::CreateRequest{with_chroot(chroot, path), std::move(data), std::move(acl),
                             flags_of(mode), -1},
       answering<Created, Session>(std::move(done), [chroot](const zkwire::Reply& reply) {
         return Created{without_chroot(chroot, as<zkwire::PathReply>(reply).path), {}};
       })});
}

void Client::create2(const std::string& path, Bytes data, CreateMode mode, Done<Created> done,
                     zkwire::AclList acl) {
  const std::string chroot = session_->chroot();
  session_->submit(
      {OpCode::create2,
       zkwire::CreateRequest{with_chroot(chroot, path), std::move(data), std::move(acl),
                             flags_of(mode), -1},
       answering<Created, Session>(std::move(done), [chroot](const zkwire::Reply& reply) {
         const auto& created = as<zkwire::PathStatReply>(reply);
         return Created{without_chroot(chroot, created.path), created.stat};
       })});
}

// One create for every level, all sent at once: they are carried out in order, and "exists already"
// is as good as made. The last one that matters decides.
void Client::create_path(const std::string& path, Done<void> done, zkwire::AclList acl) {
  std::size_t end = 0;
  while (end != std::string::npos) {
    end = path.find('/', end + 1);
    const bool last = end == std::string::npos;
    create(
        path.substr(0, end), "", CreateMode::persistent,
        [done, last](Answer<Created> created) {
          if (!last) {
            return;
          }
          if (created.ok() || created.error().code == Code::node_exists) {
            done({});
          } else {
            done(std::move(created).error());
          }
        },
        acl);
  }
}

void Client::remove(const std::string& path, std::int32_t version, Done<void> done) {
  session_->submit({OpCode::remove,
                    zkwire::PathVersionRequest{with_chroot(session_->chroot(), path), version},
                    answering<void, Session>(std::move(done),
                                             [](const zkwire::Reply&) { return Answer<void>(); })});
}

void Client::set_data(const std::string& path, Bytes data, std::int32_t version,
                      Done<zkwire::Stat> done) {
  session_->submit(
      {OpCode::set_data,
       zkwire::SetDataRequest{with_chroot(session_->chroot(), path), std::move(data), version},
       answering<zkwire::Stat, Session>(std::move(done), [](const zkwire::Reply& reply) {
         return as<zkwire::StatReply>(reply).stat;
       })});
}

void Client::reconfig(std::string joining, std::string leaving, std::string new_members,
                      std::int64_t from, Done<Data> done) {
  session_->submit({OpCode::reconfig,
                    zkwire::ReconfigRequest{std::move(joining), std::move(leaving),
                                            std::move(new_members), from},
                    answering<Data, Session>(std::move(done), [](const zkwire::Reply& reply) {
                      const auto& got = as<zkwire::DataReply>(reply);
                      return Data{got.data.value_or(""), got.stat};
                    })});
}

void Client::exists(const std::string& path, Watch watch, Done<std::optional<zkwire::Stat>> done) {
  const std::string full = with_chroot(session_->chroot(), path);
  const bool watched = watch != nullptr;
  session_->submit({OpCode::exists, zkwire::PathWatchRequest{full, watched},
                    [done = std::move(done)](Session::Outcome outcome) {
                      if (outcome.code == Code::ok) {
                        done(std::optional(as<zkwire::StatReply>(outcome.reply).stat));
                      } else if (outcome.code == Code::no_node) {
                        done(std::optional<zkwire::Stat>());
                      } else {
                        done(Failure{outcome.code, outcome.certainty, 0});
                      }
                    },
                    std::move(watch), full});
}

void Client::get_data(const std::string& path, Watch watch, Done<Data> done) {
  const std::string full = with_chroot(session_->chroot(), path);
  const bool watched = watch != nullptr;
  session_->submit({OpCode::get_data, zkwire::PathWatchRequest{full, watched},
                    answering<Data, Session>(std::move(done),
                                             [](const zkwire::Reply& reply) {
                                               const auto& got = as<zkwire::DataReply>(reply);
                                               return Data{got.data.value_or(""), got.stat};
                                             }),
                    std::move(watch), full});
}

void Client::get_children(const std::string& path, Watch watch, Done<Children> done) {
  const std::string full = with_chroot(session_->chroot(), path);
  const bool watched = watch != nullptr;
  session_->submit({OpCode::get_children2, zkwire::PathWatchRequest{full, watched},
                    answering<Children, Session>(std::move(done),
                                                 [](const zkwire::Reply& reply) {
                                                   const auto& got =
                                                       as<zkwire::ChildrenStatReply>(reply);
                                                   return Children{got.children, got.stat};
                                                 }),
                    std::move(watch), full});
}

void Client::get_acl(const std::string& path, Done<std::pair<zkwire::AclList, zkwire::Stat>> done) {
  using Acl = std::pair<zkwire::AclList, zkwire::Stat>;
  session_->submit({OpCode::get_acl, zkwire::PathRequest{with_chroot(session_->chroot(), path)},
                    answering<Acl, Session>(std::move(done), [](const zkwire::Reply& reply) {
                      const auto& got = as<zkwire::AclReply>(reply);
                      return Acl{got.acl, got.stat};
                    })});
}

void Client::set_acl(const std::string& path, zkwire::AclList acl, std::int32_t version,
                     Done<zkwire::Stat> done) {
  session_->submit(
      {OpCode::set_acl,
       zkwire::SetAclRequest{with_chroot(session_->chroot(), path), std::move(acl), version},
       answering<zkwire::Stat, Session>(std::move(done), [](const zkwire::Reply& reply) {
         return as<zkwire::StatReply>(reply).stat;
       })});
}

void Client::sync(const std::string& path, Done<void> done) {
  session_->submit({OpCode::sync, zkwire::PathRequest{with_chroot(session_->chroot(), path)},
                    answering<void, Session>(std::move(done),
                                             [](const zkwire::Reply&) { return Answer<void>(); })});
}

void Client::multi(std::vector<zkwire::MultiPart> parts,
                   Done<std::vector<zkwire::MultiResult>> done) {
  const std::string chroot = session_->chroot();
  for (zkwire::MultiPart& part : parts) {
    std::visit([&](auto& request) { request.path = with_chroot(chroot, request.path); },
               part.request);
  }
  session_->submit(
      {OpCode::multi, zkwire::MultiRequest{std::move(parts)},
       answering<std::vector<zkwire::MultiResult>, Session>(
           std::move(done),
           [chroot](const zkwire::Reply& reply) -> Answer<std::vector<zkwire::MultiResult>> {
             auto results = as<zkwire::MultiReply>(reply).results;
             for (std::size_t i = 0; i < results.size(); ++i) {
               // The parts before the one that failed carry ok, those after it another code.
               if (results[i].type == OpCode::error && results[i].code != Code::ok) {
                 return Failure{results[i].code, Certainty::not_done, i};
               }
               results[i].path = results[i].path.empty()
                                     ? ""
                                     : without_chroot(chroot, std::move(results[i].path));
             }
             return results;
           })});
}

void Client::add_auth(Auth auth, Done<void> done) {
  session_->add_auth(std::move(auth),
                     answering<void, Session>(std::move(done),
                                              [](const zkwire::Reply&) { return Answer<void>(); }));
}

void Client::close(Done<void> done) {
  session_->close(answering<void, Session>(std::move(done),
                                           [](const zkwire::Reply&) { return Answer<void>(); }));
}

State Client::state() const { return session_->state(); }
const Credentials& Client::credentials() const { return session_->credentials(); }
Duration Client::session_timeout() const { return session_->timeout(); }
Instant Client::confirmed_at() const { return session_->confirmed_at(); }
Zxid Client::last_zxid() const { return session_->last_zxid(); }
std::string Client::server() const { return session_->server(); }

zkwire::MultiPart create_part(std::string path, Bytes data, CreateMode mode, zkwire::AclList acl) {
  return {OpCode::create, zkwire::CreateRequest{std::move(path), std::move(data), std::move(acl),
                                                flags_of(mode), -1}};
}

zkwire::MultiPart remove_part(std::string path, std::int32_t version) {
  return {OpCode::remove, zkwire::PathVersionRequest{std::move(path), version}};
}

zkwire::MultiPart set_data_part(std::string path, Bytes data, std::int32_t version) {
  return {OpCode::set_data, zkwire::SetDataRequest{std::move(path), std::move(data), version}};
}

zkwire::MultiPart check_part(std::string path, std::int32_t version) {
  return {OpCode::check, zkwire::PathVersionRequest{std::move(path), version}};
}

}  // namespace synod::zkclient
