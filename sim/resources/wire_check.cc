#include "sim/resources/wire_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "mesos/internal.h"
#include "sim/machine.h"

namespace synod::sim::resources {
namespace {

// The number behind "content-length:" in any case; nullopt-like SIZE_MAX if there is none.
std::size_t content_length(const Bytes& request, std::size_t head_end) {
  static constexpr std::string_view name = "content-length:";
  auto it = std::search(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(head_end),
                        name.begin(), name.end(),
                        [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  if (it == request.begin() + static_cast<std::ptrdiff_t>(head_end)) {
    return SIZE_MAX;
  }
  return static_cast<std::size_t>(std::atoll(&*it + name.size()));
}

}  // namespace

void WireCheck::see(const SimNetwork::Tapped& tapped) {
  const std::string& agent = tapped.from.machine().name();
  const std::string& master = tapped.to.machine().name();
  if (std::find(agents_.begin(), agents_.end(), agent) == agents_.end() || master[0] != 'm') {
    return;
  }
  Bytes& request = requests_[tapped.connection];
  request += tapped.bytes;
  for (;;) {
    const std::size_t head_end = request.find("\r\n\r\n");
    if (head_end == std::string::npos) {
      return;
    }
    const std::size_t length = content_length(request, head_end);
    const std::size_t size = length == SIZE_MAX ? 0 : length;
    if (request.size() < head_end + 4 + size) {
      return;
    }
    if (request.starts_with(std::string("POST ") + mesos::agent_path + " ")) {
      on_call(agent, master, ByteView(request).substr(head_end + 4, size));
    }
    request.erase(0, head_end + 4 + size);
  }
}

void WireCheck::on_call(const std::string& agent, const std::string& master, ByteView body) {
  mesos::internal::AgentCall call;
  if (!call.ParseFromArray(body.data(), static_cast<int>(body.size())) || !call.has_epoch()) {
    return;
  }
  ++calls_;
  Served& served = served_[agent];
  if (call.epoch().counter() < served.epoch) {
    complaints_.push_back(fmt::format("agent {} serves master {} of epoch {} after {} of epoch {}",
                                      agent, master, call.epoch().counter(), served.master,
                                      served.epoch));
    return;
  }
  served = {call.epoch().counter(), master};
}

}  // namespace synod::sim::resources
