#include "master/node.h"

#include "ports/entropy.h"

namespace synod::master {

namespace {

// A dead process refuses at once; a silent one, or a dead host, does not answer at all.
constexpr Duration predecessor_patience = Duration::millis(200);

zkclient::ConnectString without_path(zkclient::ConnectString connect) {
  connect.path.clear();
  return connect;
}

bool is_any(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

// What others will call this master by: as told, else where it listens, else the first address of
// the machine that is not a loopback one.
Identity make_identity(const NodePorts& ports, const Options& options) {
  Identity out;
  out.id = to_string(ports.seat.entropy().uuid());
  out.ip = options.advertise_ip;
  if (out.ip.empty() && !is_any(options.listen.host)) {
    out.ip = options.listen.host;
  }
  if (out.ip.empty()) {
    const auto addresses = ports.network.local_addresses();
    out.ip = addresses.empty() ? "127.0.0.1" : addresses.front().host;
  }
  out.hostname = options.hostname.empty() ? out.ip : options.hostname;
  out.port = options.advertise_port != 0 ? options.advertise_port : options.listen.port;
  out.pid = ports.processes.self().pid;
  out.started = ports.seat.wall();
  return out;
}

}  // namespace

// Made and destroyed on the Door's Lane.
struct Node::DoorHolder {
  std::shared_ptr<const Options> options;  // the Door borrows them
  std::unique_ptr<Door> door;
};

Node::Node(const NodePorts& ports, Options options, NodeHandlers handlers)
    : ports_(ports),
      options_(std::make_shared<const Options>(std::move(options))),
      handlers_(std::move(handlers)),
      identity_(make_identity(ports_, *options_)),
      door_(std::make_shared<DoorHolder>()) {
  door_->options = options_;
}

Node::~Node() {
  ports_.seat.cancel(tick_);
  if (&ports_.seat == &ports_.door) {
    door_->door.reset();
    return;
  }
  // If its Lane has ended, the task is dropped and the Door with it.
  static_cast<void>(ports_.door.try_post([door = std::move(door_)] { door->door.reset(); }));
}

void Node::start() {
  ports::Sender<ToSeat> to_seat(ports_.seat, scope_.wrap([this](ToSeat message) {
    if (seat_ != nullptr) {
      seat_->receive(std::move(message));
    }
  }));
  auto listened = scope_.wrap([this](Status status, const Identity& identity) {
    this->listened(std::move(status), identity);
  });
  auto open = [holder = door_, ports = ports_, identity = identity_, to_seat, listened]() mutable {
    holder->door = std::make_unique<Door>(ports.door, ports.network, *holder->options, identity,
                                          std::move(to_seat));
    Status status = holder->door->listen();
    const Identity known = holder->door->identity();
    const bool told = ports.seat.try_post(
        [listened, status = std::move(status), known]() mutable { listened(status, known); });
    SYNOD_CHECK(told);  // the Seat's Lane has nothing else to do yet
  };
  if (!ports_.door.try_post(std::move(open))) {
    end("the Lane of the HTTP server has ended");
  }
}

void Node::listened(Status status, const Identity& identity) {
  if (!status.ok()) {
    end(to_string(status.error()));
    return;
  }
  identity_ = identity;
  candidate_ = candidate_data(identity_);
  election::ElectionOptions options;
  options.connect = without_path(options_->zk);
  options.path = options_->zk.path;
  options.epoch_path = options_->zk.path + ".synod" + epoch_path;
  options.candidate = candidate_;
  options.session_timeout = options_->zk_session_timeout;
  election::ElectionHandler& handler = *this;
  election_ = std::make_unique<election::Election>(ports_.seat, ports_.network, std::move(options),
                                                   handler);
  store_ = std::make_unique<ZkStore>(election_->client(), options_->zk.path);
  ports::Sender<Parcel> to_door(ports_.door, [holder = door_](const Parcel& parcel) {
    if (holder->door != nullptr) {
      holder->door->receive(std::move(*parcel));
    }
  });
  seat_ = std::make_unique<Seat>(ports_.seat, *store_, *options_, identity_, std::move(to_door),
                                 [this](const std::string& why) { end(why); });
  candidates_ = std::make_unique<Candidates>(
      ports_.seat, election_->client(), options_->zk.path,
      [this](std::vector<Identity> all) { seat_->masters(std::move(all)); });
  tick();
  if (handlers_.listening) {
    handlers_.listening({identity_.ip, identity_.port});
  }
}

void Node::stop(std::function<void()> done) {
  ended_ = true;
  if (election_ == nullptr) {
    done();
    return;
  }
  seat_->end("told to stop");
  election_->resign(std::move(done));
}

void Node::end(const std::string& why) {
  if (ended_) {
    return;
  }
  ended_ = true;
  handlers_.fatal(why);
}

// ---- the election

void Node::on_session(const zkclient::Credentials& credentials) {
  if (!options_->sentinel_command.empty()) {
    election::SentinelOrder order;
    order.connect = without_path(options_->zk);
    order.credentials = credentials;
    order.session_timeout = election_->client().session_timeout();
    sentinel_ = std::make_unique<election::SentinelKeeper>(
        ports_.seat, ports_.processes, options_->sentinel_command, options_->sentinel_environment,
        std::move(order));
  }
  candidates_->start();
}

void Node::on_leader(const std::optional<election::Leader>& leader) {
  const bool own = leader && leader->data == candidate_;
  const auto named = leader && !own ? read_candidate_data(leader->data) : std::nullopt;
  if (leader_ && leader_ != named) {
    loss_ = LeaderLoss{ports_.seat.wall(), ports_.seat.now()};
    ask_predecessor(*leader_);
  }
  leader_ = named;
  if (own) {
    seat_->stand_first();
  } else {
    seat_->follow(named);
  }
}

// Refused at once: the process has ended, and with it its socket. All else may be silence only.
void Node::ask_predecessor(const Identity& before) {
  ports::DialOptions options;
  options.timeout = predecessor_patience;
  question_ = ports_.network.dial(
      ports_.seat, {before.ip, before.port}, options,
      scope_.wrap([this](Result<std::unique_ptr<ports::Stream>> made) {
        seat_->predecessor(!made.ok() && made.error().code == ErrorCode::refused);
      }));
}

void Node::on_elected(const election::Leadership& leadership) {
  seat_->lead({leadership.lineage, leadership.epoch}, leadership.candidate_path, loss_);
}

void Node::on_may_speak(bool may_speak) {
  if (may_speak) {
    tick();
  }
}

void Node::on_lost(const std::string& why) { seat_->end(why); }

void Node::tick() {
  const Duration timeout = election_->client().session_timeout();
  if (election_->may_speak()) {
    seat_->vouch(election_->may_speak_until());
  }
  ports_.seat.cancel(tick_);
  tick_ = ports_.seat.after(timeout / 12, scope_.wrap([this] { tick(); }));
}

}  // namespace synod::master
