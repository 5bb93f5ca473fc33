#include "agent/master_source.h"

#include "election/detector.h"
#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "ports/scope.h"

namespace synod::agent {

namespace {

constexpr std::uint16_t master_port_otherwise = 5050;

class FixedMaster final : public MasterSource {
 public:
  FixedMaster(ports::Lane& lane, ports::HostPort master, Changed changed)
      : changed_(std::move(changed)) {
    lane.after(Duration(), scope_.wrap([this, master] { changed_(master); }));
  }

 private:
  Changed changed_;
  ports::Scope scope_;
};

// Where the candidate that leads may be reached: its data is a MasterInfo in JSON.
std::optional<ports::HostPort> address_of(const election::Leader& leader) {
  ::mesos::v1::MasterInfo info;
  if (!mesos::from_json(leader.data, info).ok()) {
    return std::nullopt;
  }
  const std::string& host = info.address().has_ip()         ? info.address().ip()
                            : info.address().has_hostname() ? info.address().hostname()
                                                            : info.hostname();
  const std::int64_t port =
      info.has_address() ? std::int64_t{info.address().port()} : std::int64_t{info.port()};
  if (host.empty() || port <= 0 || port > 65535) {
    return std::nullopt;
  }
  return ports::HostPort{host, static_cast<std::uint16_t>(port)};
}

class ElectedMaster final : public MasterSource {
 public:
  ElectedMaster(ports::Lane& lane, ports::Network& network, election::DetectorOptions options,
                Changed changed)
      : changed_(std::move(changed)),
        detector_(lane, network, std::move(options),
                  [this](const std::optional<election::Leader>& leader) {
                    changed_(leader ? address_of(*leader) : std::nullopt);
                  }) {}

  void refresh() override { detector_.refresh(); }

 private:
  Changed changed_;
  election::Detector detector_;
};

}  // namespace

Result<std::unique_ptr<MasterSource>> make_master_source(const MasterSourceOptions& options,
                                                         ports::Lane& lane, ports::Network& network,
                                                         MasterSource::Changed changed) {
  if (options.master.rfind("zk://", 0) == 0) {
    SYNOD_TRY_ASSIGN(election::DetectorOptions detector,
                     election::detector_options(options.master, options.zk_session_timeout));
    return std::unique_ptr<MasterSource>(
        std::make_unique<ElectedMaster>(lane, network, std::move(detector), std::move(changed)));
  }
  SYNOD_TRY_ASSIGN(const ports::HostPort master,
                   ports::parse_host_port(options.master, master_port_otherwise));
  return std::unique_ptr<MasterSource>(
      std::make_unique<FixedMaster>(lane, master, std::move(changed)));
}

}  // namespace synod::agent
