// The resource half: an offer made, given back and written, and a task's life in the master core.
#include <cstdlib>
#include <memory>

#include "bench/allocator/cluster.h"
#include "bench/instructions/cases.h"
#include "bench/launches.h"
#include "http/reader.h"
#include "master/outgoing.h"
#include "mesos/v1.h"
#include "resources/text.h"

namespace synod::bench {
namespace {

void require_resources(bool good) {
  if (!good) {
    std::abort();
  }
}

}  // namespace

extern "C" {

[[gnu::noipa]] void measured_allocator_give_back(Cluster* cluster) {
  cluster->give_back(std::nullopt);
}

[[gnu::noipa]] void measured_allocator_offer(Cluster* cluster) { cluster->cycle(); }

[[gnu::noipa]] void measured_master_task_life(Launches* launches) { launches->fill_and_drain(); }

[[gnu::noipa]] void measured_mesos_offer_json(const master::core::ToFramework* offers,
                                              const master::Identity* identity, int count) {
  for (int i = 0; i < count; ++i) {
    require_resources(!framework_event(*offers, {"f"}, *identity, mesos::Encoding::json).empty());
  }
}

[[gnu::noipa]] void measured_mesos_offer_protobuf(const master::core::ToFramework* offers,
                                                  const master::Identity* identity, int count) {
  for (int i = 0; i < count; ++i) {
    require_resources(
        !framework_event(*offers, {"f"}, *identity, mesos::Encoding::protobuf).empty());
  }
}

[[gnu::noipa]] void measured_http_read_request(const Bytes* bytes, int count) {
  for (int i = 0; i < count; ++i) {
    http::RequestReader reader({64 << 10, 1 << 20});
    require_resources(reader.feed(*bytes).ok() && reader.is_done());
    require_resources(reader.take().method == "POST");
  }
}

}  // extern "C"

void resource_cases(int count) {
  Plan plan;
  plan.agents = static_cast<std::uint64_t>(count);
  plan.frameworks = 100;
  plan.used = used_part(1024);
  Cluster cluster(plan);
  cluster.add_frameworks();
  cluster.add_agents();
  counting_begins();
  measured_allocator_give_back(&cluster);
  counting_begins();
  measured_allocator_offer(&cluster);
  require_resources(cluster.offers() == plan.agents);

  Launches launches(10, static_cast<std::uint64_t>(count) / 10);
  counting_begins();
  measured_master_task_life(&launches);

  auto agent = std::make_shared<master::core::AgentInfo>();
  ::mesos::v1::AgentInfo description;
  description.set_hostname("agent.example");
  agent->bytes = description.SerializeAsString();
  agent->hostname = "agent.example";
  agent->ip = "127.0.0.1";
  agent->port = 5051;
  master::core::Offer offer;
  offer.id.value = "0d5f4a0e-3c4b-4f0e-9a59-0b8f6f5f1d11-O1";
  offer.agent.value = "0d5f4a0e-3c4b-4f0e-9a59-0b8f6f5f1d11-S1";
  offer.agent_info = agent;
  offer.role = "*";
  offer.resources =
      resources::parse_resources("cpus:8;mem:3072;disk:3072;ports:[31000-32000]").value();
  master::core::ToFramework offers;
  offers.capabilities.multi_role = true;
  offers.body = master::core::Offers{{offer}};
  const master::Identity identity;
  counting_begins();
  measured_mesos_offer_json(&offers, &identity, count);
  counting_begins();
  measured_mesos_offer_protobuf(&offers, &identity, count);

  const Bytes request =
      "POST /api/v1/scheduler HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
      "application/x-protobuf\r\nAccept: application/x-protobuf\r\nMesos-Stream-Id: "
      "0d5f4a0e-3c4b-4f0e-9a59-0b8f6f5f1d11\r\nContent-Length: 120\r\n\r\n" +
      Bytes(120, 'x');
  counting_begins();
  measured_http_read_request(&request, count);
}

}  // namespace synod::bench
