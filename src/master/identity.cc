#include "master/identity.h"

#include <array>
#include <charconv>

#include "mesos/encoding.h"
#include "mesos/v1.h"

namespace synod::master {

namespace {

// 127.0.0.1 is 16777343: the four bytes in network order, read by a little-endian host. 0 for
// IPv6, which this old field cannot say.
std::uint32_t packed(const std::string& ip) {
  std::uint32_t out = 0;
  const char* at = ip.data();
  const char* end = at + ip.size();
  for (int i = 0; i < 4; ++i) {
    unsigned part = 256;
    auto parsed = std::from_chars(at, end, part);
    if (parsed.ec != std::errc{} || part > 255) {
      return 0;
    }
    out |= part << (8 * i);
    at = parsed.ptr;
    if (i < 3 && (at == end || *at++ != '.')) {
      return 0;
    }
  }
  return at == end ? out : 0;
}

}  // namespace

std::string address_of(const Identity& identity) {
  const std::string& host = identity.hostname.empty() ? identity.ip : identity.hostname;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ':' + std::to_string(identity.port);
}

std::string version_text() { return "1.11.0"; }

void fill(const Identity& identity, mesos::v1::MasterInfo& out) {
  using Capability = mesos::v1::MasterInfo::Capability;
  out.set_id(identity.id);
  out.set_ip(packed(identity.ip));
  out.set_port(identity.port);
  out.set_pid("master@" + identity.ip + ':' + std::to_string(identity.port));
  out.set_hostname(identity.hostname);
  out.set_version(version_text());
  out.mutable_address()->set_hostname(identity.hostname);
  out.mutable_address()->set_ip(identity.ip);
  out.mutable_address()->set_port(identity.port);
  out.add_capabilities()->set_type(Capability::AGENT_UPDATE);
}

std::string candidate_data(const Identity& identity) {
  mesos::v1::MasterInfo info;
  fill(identity, info);
  std::string json = mesos::to_json(info);
  json.pop_back();
  mesos::JsonWriter ours;
  ours.begin_object()
      .field("pid", identity.pid)
      .field("started_at_ms", identity.started.millis)
      .end_object();
  return json + ",\"synod\":" + ours.take() + '}';
}

std::optional<Identity> read_candidate_data(ByteView data) {
  const auto document = mesos::parse_json(data);
  mesos::v1::MasterInfo info;
  if (!document.ok() || !mesos::from_json(*document, info).ok() || !info.IsInitialized()) {
    return std::nullopt;
  }
  Identity out;
  out.id = info.id();
  out.hostname = info.hostname();
  out.ip = info.address().ip();
  out.port = static_cast<std::uint16_t>(info.port());
  if (out.ip.empty()) {
    out.ip = std::to_string(info.ip() & 255) + '.' + std::to_string(info.ip() >> 8 & 255) + '.' +
             std::to_string(info.ip() >> 16 & 255) + '.' + std::to_string(info.ip() >> 24);
  }
  if (out.hostname.empty()) {
    out.hostname = out.ip;
  }
  auto number = [&document](std::string_view name) {
    std::int64_t value = 0;
    const mesos::JsonValue* ours = document->find("synod");
    const mesos::JsonValue* member = ours == nullptr ? nullptr : ours->find(name);
    if (member != nullptr) {
      std::from_chars(member->text.data(), member->text.data() + member->text.size(), value);
    }
    return value;
  };
  out.pid = number("pid");
  out.started.millis = number("started_at_ms");
  return out;
}

}  // namespace synod::master
