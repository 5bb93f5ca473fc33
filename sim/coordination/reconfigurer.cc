#include "sim/coordination/reconfigurer.h"

#include <fmt/format.h>

#include <utility>

namespace synod::sim::coordination {

Reconfigurer::Reconfigurer(SimProcess& process, ReconfigurerOptions options)
    : options_(std::move(options)),
      lane_(process.main_lane()),
      prng_(process.main_lane().entropy().next()),
      client_(process, history_, *this, options_.client) {}

void Reconfigurer::think() {
  if (std::exchange(thinking_, true)) {
    return;
  }
  const auto pause = Duration::nanos(prng_.between(0, options_.gap_max.nanos()));
  lane_.after(pause, scope_.wrap([this] {
    thinking_ = false;
    send();
  }));
}

void Reconfigurer::send() {
  if (!client_.ready() || std::exchange(asked_, true)) {
    return;
  }
  client_.submit(zkwire::OpCode::reconfig, draw());
}

void Reconfigurer::on_reply(const Operation& operation) {
  asked_ = false;
  changes_ += operation.succeeded() ? 1 : 0;
  think();
}

std::string Reconfigurer::line(std::size_t id, bool observer) const {
  const std::string& host = options_.peers[id - 1].host;
  return fmt::format("server.{}={}:{}:3888:{};{}:2181", id, host, options_.peers[id - 1].port,
                     observer ? "observer" : "participant", host);
}

zkwire::ReconfigRequest Reconfigurer::draw() {
  zkwire::ReconfigRequest request;
  const std::size_t servers = options_.peers.size();
  if (!options_.whole && options_.voters_min == 1 && prng_.chance(1, 2)) {
    const std::size_t joins = 1 + prng_.below(servers);
    const std::size_t leaves = 1 + prng_.below(servers);
    if (prng_.chance(2, 3)) {
      request.joining = line(joins, prng_.chance(1, 8));
    }
    if (leaves != joins && prng_.chance(2, 3)) {
      request.leaving = std::to_string(leaves);
    }
    return request;
  }
  std::set<std::size_t> voters;
  while (voters.size() < options_.voters_min) {
    request.new_members.clear();
    voters.clear();
    for (std::size_t id = 1; id <= servers; ++id) {
      const bool observes = prng_.chance(1, 8);
      if (prng_.chance(3, 5)) {
        request.new_members += line(id, observes) + "\n";
        if (!observes) {
          voters.insert(id - 1);
        }
      }
    }
  }
  if (options_.on_ask) {
    options_.on_ask(std::move(voters));
  }
  return request;
}

}  // namespace synod::sim::coordination
