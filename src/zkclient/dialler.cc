#include "zkclient/dialler.h"

#include <algorithm>

#include "ports/entropy.h"

namespace synod::zkclient {
namespace {

constexpr Duration pause_least = Duration::millis(10);
constexpr Duration pause_most = Duration::millis(500);

}  // namespace

Dialler::Dialler(ports::Lane& lane, ports::Network& network, const ClientOptions& options,
                 Connected connected)
    : lane_(lane), network_(network), options_(options), connected_(std::move(connected)) {}

Dialler::~Dialler() = default;

void Dialler::settle() {
  rounds_ = 0;
  round_.clear();
}

void Dialler::stop() {
  scope_.reset();
  dials_.clear();
  under_way_ = 0;
}

void Dialler::next(Duration timeout) {
  stop();
  timeout_ = timeout;
  begin();
}

void Dialler::begin() {
  if (!round_.empty()) {
    const std::size_t server = round_.back();
    round_.pop_back();
    resolve(server);
    return;
  }
  Duration pause;
  if (rounds_ > 0) {
    const Duration most =
        std::min(pause_most, pause_least * (std::int64_t{1} << std::min(rounds_, 7)));
    pause = Duration::nanos(
        most.nanos() / 2 + static_cast<std::int64_t>(lane_.entropy().next() %
                                                     static_cast<std::uint64_t>(most.nanos() / 2)));
  }
  ++rounds_;
  lane_.after(pause, scope_.wrap([this] { fill_round(); }));
}

void Dialler::fill_round() {
  for (std::size_t i = 0; i < options_.connect.servers.size(); ++i) {
    round_.push_back(i);
  }
  for (std::size_t i = round_.size(); i > 1; --i) {
    std::swap(round_[i - 1], round_[lane_.entropy().next() % i]);
  }
  // In a hurry, the servers of the first round are asked together. If the first that connects is of
  // no use after all, the rest is tried in later rounds, one by one.
  const bool together = options_.dialling == Dialling::all_at_once && rounds_ % 2 == 1;
  do {
    const std::size_t server = round_.back();
    round_.pop_back();
    resolve(server);
  } while (together && !round_.empty());
}

void Dialler::resolve(std::size_t server) {
  ++under_way_;
  network_.resolve(lane_, options_.connect.servers[server],
                   scope_.wrap([this](Result<std::vector<ports::Address>> found) {
                     if (found.ok()) {
                       dial(std::move(found).value());
                     } else {
                       lane_.log().debug("zkclient", "{}", to_string(found.error()));
                       on_failure();
                     }
                   }));
}

// The addresses of one name, one after the other.
void Dialler::dial(std::vector<ports::Address> addresses) {
  const ports::Address to = addresses.front();
  addresses.erase(addresses.begin());
  const std::uint64_t attempt = ++attempt_last_;
  ports::DialOptions dial_options;
  dial_options.timeout = timeout_;
  dial_options.tls = options_.tls;
  auto done = scope_.wrap(
      [this, attempt, rest = std::move(addresses)](Result<std::unique_ptr<ports::Stream>> stream) {
        if (stream.ok()) {
          // The winner: the other attempts end with the Scope.
          const Connected connected = connected_;
          auto taken = std::move(stream).value();
          // This very Dial is in its own callback: it goes on a later turn.
          lane_.after(Duration(), [own = std::move(dials_[attempt])]() mutable { own.reset(); });
          stop();
          connected(std::move(taken));
          return;
        }
        lane_.log().debug("zkclient", "{}", to_string(stream.error()));
        if (rest.empty()) {
          on_failure();
        } else {
          dial(rest);
        }
      });
  dials_[attempt] = network_.dial(lane_, to, dial_options, std::move(done));
}

void Dialler::on_failure() {
  if (--under_way_ == 0) {
    lane_.after(Duration(), scope_.wrap([this] {
      dials_.clear();
      begin();
    }));
  }
}

}  // namespace synod::zkclient
