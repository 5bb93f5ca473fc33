#include "election/detector.h"

#include "election/names.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::election {
namespace {

using zkwire::Code;

constexpr Duration look_again_pause = Duration::millis(200);

}  // namespace

class Detector::Watcher final : public std::enable_shared_from_this<Detector::Watcher> {
 public:
  Watcher(ports::Lane& lane, ports::Network& network, DetectorOptions options, OnLeader on_leader)
      : lane_(lane),
        network_(network),
        options_(std::move(options)),
        path_(options_.connect.path.empty() ? "/" : options_.connect.path),
        on_leader_(std::move(on_leader)) {
    begin();
  }

  void abandon() {
    abandoned_ = true;
    scope_.reset();
    client_.reset();
  }

  void refresh() {
    listed_ = false;
    leader_read_ = false;
    step();
  }

  const std::optional<Leader>& leader() const { return leader_; }
  bool is_known() const { return known_; }

 private:
  void begin() {
    busy_ = false;
    watching_ = false;
    listed_ = false;
    zkclient::ClientOptions client_options;
    client_options.connect = options_.connect;
    client_options.connect.path = "";
    client_options.session_timeout = options_.session_timeout;
    client_ =
        std::make_unique<zkclient::Client>(lane_, network_, std::move(client_options),
                                           [this](zkclient::State state) { on_state(state); });
    step();
  }

  void on_state(zkclient::State state) {
    const bool ended = state == zkclient::State::expired || state == zkclient::State::closed ||
                       state == zkclient::State::auth_failed;
    if (!ended || abandoned_) {
      return;
    }
    if (state == zkclient::State::auth_failed) {
      lane_.log().error("election", "the coordinators refuse our credentials");
    }
    const Duration pause = state == zkclient::State::expired ? Duration() : look_again_pause * 5;
    lane_.after(pause, scope_.wrap([this] { begin(); }));
  }

  // Every request waits in the client until there is a server.
  void step() {
    if (!busy_ && !listed_ && !abandoned_) {
      list();
    }
  }

  void retry(const zkclient::Failure& failure) {
    listed_ = false;
    if (abandoned_ || failure.code == Code::session_expired) {
      return;  // begin() follows
    }
    const bool lost = failure.code == Code::connection_loss;
    lane_.after(lost ? Duration() : look_again_pause, scope_.wrap([this] { step(); }));
  }

  // One watch at a time: a refresh while one stands asks without another.
  zkclient::Watch watch() {
    if (std::exchange(watching_, true)) {
      return nullptr;
    }
    return [this](const zkwire::WatcherEvent&) {
      watching_ = false;
      listed_ = false;
      step();
    };
  }

  void list() {
    busy_ = true;
    listed_ = true;
    const bool had_watch = watching_;
    client_->get_children(path_, watch(),
                          [this, had_watch](zkclient::Answer<zkclient::Children> found) {
                            busy_ = false;
                            if (found.ok()) {
                              on_children(found->names);
                              return;
                            }
                            watching_ = had_watch && watching_;
                            if (found.error().code == Code::no_node) {
                              await_path();
                            } else {
                              retry(found.error());
                            }
                          });
  }

  // There is no election yet: its path will be made by the first candidate.
  void await_path() {
    busy_ = true;
    const bool had_watch = watching_;
    client_->exists(path_, watch(),
                    [this, had_watch](zkclient::Answer<std::optional<zkwire::Stat>> stat) {
                      busy_ = false;
                      if (!stat.ok()) {
                        watching_ = had_watch && watching_;
                        retry(stat.error());
                      } else if (*stat) {
                        watching_ = false;  // made meanwhile: its children are what we watch
                        listed_ = false;
                        step();
                      } else {
                        set_leader(std::nullopt);
                      }
                    });
  }

  void on_children(const std::vector<std::string>& names) {
    const std::string leading = leading_child(names);
    if (leading.empty()) {
      set_leader(std::nullopt);
      return;
    }
    const std::string path = (path_ == "/" ? "" : path_) + "/" + leading;
    if (leader_ && leader_->path == path && leader_read_) {
      step();
      return;
    }
    busy_ = true;
    client_->get_data(path, nullptr, [this, path](zkclient::Answer<zkclient::Data> read) {
      busy_ = false;
      if (read.ok()) {
        leader_read_ = true;
        set_leader(Leader{path, std::move(read->data)});
      } else if (read.error().code == Code::no_node) {
        listed_ = false;
        step();
      } else {
        retry(read.error());
      }
    });
  }

  void set_leader(std::optional<Leader> leader) {
    const auto keep = shared_from_this();
    const bool news = !known_ || leader != leader_;
    known_ = true;
    leader_ = std::move(leader);
    if (news) {
      on_leader_(leader_);
    }
    step();
  }

  ports::Lane& lane_;
  ports::Network& network_;
  const DetectorOptions options_;
  const std::string path_;
  const OnLeader on_leader_;
  std::unique_ptr<zkclient::Client> client_;
  std::optional<Leader> leader_;
  bool leader_read_ = false;
  bool known_ = false;
  bool busy_ = false;
  bool watching_ = false;  // a watch stands
  bool listed_ = false;    // nothing is known to have changed since we looked
  bool abandoned_ = false;
  ports::Scope scope_;
};

Result<DetectorOptions> detector_options(const std::string& zk, Duration session_timeout) {
  DetectorOptions options;
  SYNOD_TRY_ASSIGN(options.connect, zkclient::parse_connect_string(zk));
  if (options.connect.path.empty()) {
    return Error{ErrorCode::invalid_argument,
                 zk + ": a path is missing, such as /mesos at its end"};
  }
  options.session_timeout = session_timeout;
  return options;
}

Detector::Detector(ports::Lane& lane, ports::Network& network, DetectorOptions options,
                   OnLeader on_leader)
    : watcher_(std::make_shared<Watcher>(lane, network, std::move(options), std::move(on_leader))) {
}

Detector::~Detector() { watcher_->abandon(); }

const std::optional<Leader>& Detector::leader() const { return watcher_->leader(); }
bool Detector::is_known() const { return watcher_->is_known(); }
void Detector::refresh() { watcher_->refresh(); }

}  // namespace synod::election
