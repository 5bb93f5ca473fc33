#include "election/sentinel.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::election {
namespace {

constexpr std::size_t order_size_max = 64 << 10;
constexpr const char* magic = "synod-sentinel 1";

std::optional<Bytes> from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    const char* at = text.data() + i;
    const auto [end, error] = std::from_chars(at, at + 2, value, 16);
    if (error != std::errc() || end != at + 2) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(value));
  }
  return text.size() % 2 == 0 ? std::optional(bytes) : std::nullopt;
}

}  // namespace

Bytes encode(const SentinelOrder& order) {
  return fmt::format("{}\nservers {}\ndigest {}\nsession {:x}\npassword {}\ntimeout_ms {}\n\n",
                     magic, zkclient::servers_text(order.connect), to_hex(order.connect.digest),
                     static_cast<std::uint64_t>(order.credentials.id.value()),
                     to_hex(order.credentials.password), order.session_timeout.millis());
}

Result<std::optional<SentinelOrder>> decode_sentinel_order(ByteView bytes) {
  const std::size_t end = bytes.find("\n\n");
  if (end == ByteView::npos) {
    if (bytes.size() > order_size_max) {
      return Error{ErrorCode::too_large, "an order without end"};
    }
    return std::optional<SentinelOrder>();
  }
  std::istringstream lines{std::string(bytes.substr(0, end))};
  std::string line;
  std::getline(lines, line);
  if (line != magic) {
    return Error{ErrorCode::malformed, "not an order to a sentinel of this version"};
  }
  std::map<std::string, std::string> fields;
  while (std::getline(lines, line)) {
    const std::size_t space = std::min(line.find(' '), line.size());
    fields[line.substr(0, space)] = line.substr(std::min(space + 1, line.size()));
  }
  SentinelOrder order;
  SYNOD_TRY_ASSIGN(order.connect, zkclient::parse_connect_string(fields["servers"]));
  const auto digest = from_hex(fields["digest"]);
  const auto password = from_hex(fields["password"]);
  std::uint64_t session = 0;
  std::int64_t timeout_ms = 0;
  const auto number = [](const std::string& text, auto& value, int base) {
    return std::from_chars(text.data(), text.data() + text.size(), value, base).ec == std::errc();
  };
  if (!digest || !password || !number(fields["session"], session, 16) || session == 0 ||
      !number(fields["timeout_ms"], timeout_ms, 10) || timeout_ms <= 0) {
    return Error{ErrorCode::malformed, "an order with a field missing or wrong"};
  }
  order.connect.digest = *digest;
  order.credentials = {SessionId(static_cast<std::int64_t>(session)), *password};
  order.session_timeout = Duration::millis(timeout_ms);
  return std::optional(order);
}

// --- in the master

class SentinelKeeper::Keeper final : public ports::StreamHandler {
 public:
  Keeper(ports::Lane& lane, ports::Processes& processes, std::vector<std::string> command,
         std::map<std::string, std::string> env, SentinelOrder order)
      : lane_(lane), processes_(processes), order_(std::move(order)) {
    spec_.argv = std::move(command);
    spec_.env = std::move(env);
    // Not of our group: what ends the master, a terminal's interrupt too, must leave it alone.
    spec_.new_session = true;
    spec_.descriptors = {{0, ports::Descriptor::Kind::pipe_in, ""}};
    spawn();
  }

  std::int64_t pid() const { return child_ ? child_->id().pid : 0; }

  void on_bytes(ByteView) override {}
  void on_eof() override {}
  void on_closed(const Error&) override {}  // the watch tells

 private:
  static constexpr Duration pause_least = Duration::millis(100);
  static constexpr Duration pause_most = Duration::seconds(5);
  static constexpr Duration steady_after = Duration::seconds(10);

  void spawn() {
    auto made = processes_.spawn(lane_, spec_);
    if (!made.ok()) {
      lane_.log().error("sentinel", "{}", to_string(made.error()));
      again();
      return;
    }
    child_ = std::move(made).value();
    started_at_ = lane_.now();
    pipe_ = child_->take_pipe(0);
    pipe_->attach(lane_, *this);
    pipe_->write(encode(order_));
    watch_ = processes_.watch(lane_, child_->id(),
                              [this](ports::ExitStatus status) { on_exit(status); });
  }

  void on_exit(const ports::ExitStatus& status) {
    lane_.log().warning("sentinel", "ended ({}), starting another", ports::to_string(status));
    if (lane_.now() - started_at_ > steady_after) {
      pause_ = pause_least;
    }
    pipe_.reset();
    child_.reset();
    again();
  }

  void again() {
    lane_.after(pause_, scope_.wrap([this] { spawn(); }));
    pause_ = std::min(pause_ * 2, pause_most);
  }

  ports::Lane& lane_;
  ports::Processes& processes_;
  const SentinelOrder order_;
  ports::ProcessSpec spec_;
  std::unique_ptr<ports::Child> child_;
  std::unique_ptr<ports::Stream> pipe_;
  std::unique_ptr<ports::ProcessWatch> watch_;
  Instant started_at_;
  Duration pause_ = pause_least;
  ports::Scope scope_;
};

SentinelKeeper::SentinelKeeper(ports::Lane& lane, ports::Processes& processes,
                               std::vector<std::string> command,
                               std::map<std::string, std::string> env, SentinelOrder order)
    : keeper_(std::make_unique<Keeper>(lane, processes, std::move(command), std::move(env),
                                       std::move(order))) {}

SentinelKeeper::~SentinelKeeper() = default;

std::int64_t SentinelKeeper::pid() const { return keeper_->pid(); }

// --- in the sentinel

class Sentinel::Watchman final : public ports::StreamHandler {
 public:
  Watchman(ports::Lane& lane, ports::Network& network, std::unique_ptr<ports::Stream> pipe,
           std::function<void(int)> done)
      : lane_(lane), network_(network), pipe_(std::move(pipe)), done_(std::move(done)) {
    pipe_->attach(lane_, *this);
  }

  void on_bytes(ByteView bytes) override {
    input_.append(bytes);
    if (order_) {
      return;
    }
    auto order = decode_sentinel_order(input_);
    if (!order.ok()) {
      lane_.log().error("sentinel", "{}", to_string(order.error()));
      finish(1);
      return;
    }
    order_ = std::move(*order);
    if (order_) {
      lane_.log().info("sentinel", "watching over session {:#x}", order_->credentials.id.value());
    }
  }

  void on_eof() override { act(); }
  void on_closed(const Error&) override { act(); }

 private:
  void act() {
    if (acted_) {
      return;
    }
    acted_ = true;
    if (!order_) {
      finish(1);
      return;
    }
    lane_.log().info("sentinel", "the master is gone: closing its session");
    zkclient::ClientOptions options;
    options.connect = order_->connect;
    options.session_timeout = order_->session_timeout;
    options.dialling = zkclient::Dialling::all_at_once;
    options.attach = order_->credentials;
    client_ = std::make_unique<zkclient::Client>(lane_, network_, std::move(options),
                                                 [](zkclient::State) {});
    client_->close([this](zkclient::Answer<void>) {
      lane_.log().info("sentinel", "the session is closed");
      finish(0);
    });
    // By then the session has expired by itself.
    lane_.after(order_->session_timeout * 2, scope_.wrap([this] { finish(1); }));
  }

  void finish(int code) {
    if (const auto done = std::exchange(done_, nullptr)) {
      done(code);
    }
  }

  ports::Lane& lane_;
  ports::Network& network_;
  std::unique_ptr<ports::Stream> pipe_;
  std::function<void(int)> done_;
  Bytes input_;
  std::optional<SentinelOrder> order_;
  std::unique_ptr<zkclient::Client> client_;
  bool acted_ = false;
  ports::Scope scope_;
};

Sentinel::Sentinel(ports::Lane& lane, ports::Network& network, std::unique_ptr<ports::Stream> pipe,
                   std::function<void(int)> done)
    : watchman_(std::make_unique<Watchman>(lane, network, std::move(pipe), std::move(done))) {}

Sentinel::~Sentinel() = default;

}  // namespace synod::election
