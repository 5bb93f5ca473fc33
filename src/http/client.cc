#include "http/client.h"

#include <list>
#include <map>

#include "http/reader.h"
#include "http/wire.h"
#include "ports/lane.h"
#include "ports/scope.h"

namespace synod::http {
namespace {

bool may_repeat(const std::string& method) { return method == "GET" || method == "HEAD"; }

std::string bytes_of(const Request& request, const ports::HostPort& to) {
  std::string bytes = request.method + " " + request.target + " HTTP/1.1\r\n";
  const auto add = [&](std::string_view name, const std::string& value) {
    bytes.append(name).append(": ").append(value).append("\r\n");
  };
  if (!request.headers.has("Host")) {
    add("Host", ports::to_string(to));
  }
  if (!request.headers.has("User-Agent")) {
    add("User-Agent", "synod");
  }
  for (const auto& [name, value] : request.headers) {
    if (!equals_ignoring_case(name, "content-length")) {
      add(name, value);
    }
  }
  if (!request.body.empty() || !may_repeat(request.method)) {
    add("Content-Length", std::to_string(request.body.size()));
  }
  bytes += "\r\n";
  bytes += request.body;
  return bytes;
}

enum class Kind {
  one_shot,  // connections are borrowed and given back
  stream,    // a connection of its own
};

// Resolve, dial, send, read.
class CallInProgress final : public Call, private WireUser {
 public:
  CallInProgress(std::shared_ptr<WirePool> pool, ports::HostPort to, Request request,
                 const CallOptions& options, Kind kind, StreamConsumer consumer)
      : pool_(std::move(pool)),
        lane_(pool_->lane()),
        to_(std::move(to)),
        request_(std::move(request)),
        options_(options),
        kind_(kind),
        consumer_(std::move(consumer)) {
    set_timer(options_.timeout);
    if (kind_ == Kind::one_shot) {
      wire_ = pool_->borrow(to_);
    }
    if (wire_ != nullptr) {
      reused_ = true;
      send();
    } else {
      resolve();
    }
  }

  ~CallInProgress() override { lane_.cancel(timer_); }

  void pause() override {
    paused_ = true;
    if (wire_ != nullptr) {
      wire_->stream().pause_reading();
    }
  }

  void resume() override {
    paused_ = false;
    if (wire_ == nullptr) {
      return;
    }
    wire_->stream().resume_reading();
    if (!input_.empty() || ended_by_) {
      lane_.after(Duration(), scope_.wrap([this] { catch_up(); }));
    }
  }

 private:
  void catch_up() {
    const std::weak_ptr<bool> alive = alive_;
    advance();
    if (!alive.expired() && !paused_ && ended_by_ && consumer_.on_end) {
      conclude();
    }
  }

  void resolve() {
    pool_->network().resolve(lane_, to_,
                             scope_.wrap([this](Result<std::vector<ports::Address>> found) {
                               if (!found.ok()) {
                                 end(std::move(found).error());
                                 return;
                               }
                               addresses_ = std::move(found).value();
                               dial();
                             }));
  }

  void dial() {
    const ports::Address to = addresses_.front();
    addresses_.erase(addresses_.begin());
    ports::DialOptions options;
    options.timeout = options_.timeout;
    options.tls = pool_->options().tls;
    dial_ = pool_->network().dial(
        lane_, to, options, scope_.wrap([this](Result<std::unique_ptr<ports::Stream>> stream) {
          if (stream.ok()) {
            dial_.reset();
            wire_ = std::make_unique<Wire>(lane_, std::move(stream).value());
            send();
          } else if (!addresses_.empty()) {
            lane_.after(Duration(), scope_.wrap([this] { dial(); }));
          } else {
            end(std::move(stream).error());
          }
        }));
  }

  void send() {
    wire_->use(this);
    const auto expect =
        request_.method == "HEAD" ? ResponseReader::Expect::no_body : ResponseReader::Expect::body;
    reader_ =
        std::make_unique<ResponseReader>(expect, [this](ByteView piece) { pieces_.append(piece); });
    wire_->stream().write(bytes_of(request_, to_));
  }

  void on_wire_bytes(ByteView bytes) override {
    heard_ = true;
    input_.append(bytes);
    if (head_shown_ && options_.silence_max > Duration()) {
      set_timer(options_.silence_max);
    }
    advance();
  }

  // Any callback may destroy this: `alive` tells, and then nothing is touched.
  void advance() {
    const std::weak_ptr<bool> alive = alive_;
    while (!paused_ && !input_.empty() && !reader_->is_done()) {
      const auto used = reader_->feed(input_);
      if (!used.ok()) {
        end(used.error());
        return;
      }
      input_.erase(0, *used);
      if (!show(alive)) {
        return;
      }
      if (*used == 0) {
        break;
      }
    }
    if (reader_->is_done()) {
      complete();
    }
  }

  // Hands on what the reader has decoded. False if this is gone.
  bool show(const std::weak_ptr<bool>& alive) {
    if (reader_->has_head()) {
      head_shown_ = true;
      if (options_.silence_max > Duration()) {
        set_timer(options_.silence_max);
      } else if (kind_ == Kind::stream) {
        lane_.cancel(std::exchange(timer_, ports::TimerId()));
      }
      const Response head = reader_->take_head();
      consumer_.on_head(head);
      if (alive.expired()) {
        return false;
      }
    }
    if (!pieces_.empty()) {
      const Bytes pieces = std::exchange(pieces_, {});
      consumer_.on_body(pieces);
    }
    return !alive.expired();
  }

  void complete() {
    if (kind_ == Kind::one_shot && reader_->keep_alive() && input_.empty() && !ended_by_) {
      pool_->give_back(to_, std::move(wire_));
    }
    end({});
  }

  void on_wire_end(const Error& reason) override {
    if (reused_ && !heard_ && may_repeat(request_.method)) {
      // The server closed an idle connection while the request was under way.
      reused_ = false;
      lane_.after(Duration(), scope_.wrap([this] {
        wire_.reset();
        resolve();
      }));
      return;
    }
    ended_by_ = reason;
    if (!paused_) {
      conclude();
    }
  }

  // The connection has ended: with it the body, if it had no other end.
  void conclude() {
    const std::weak_ptr<bool> alive = alive_;
    Status finished = reader_->feed_end();
    if (!show(alive)) {
      return;
    }
    if (finished.ok() && reader_->is_done()) {
      end({});
      return;
    }
    const bool timed_out = ended_by_->code == ErrorCode::timed_out;
    end(timed_out ? *ended_by_ : std::move(finished).error());
  }

  void set_timer(Duration timeout) {
    lane_.cancel(timer_);
    timer_ = lane_.after(timeout, scope_.wrap([this] {
      timer_ = ports::TimerId();
      end(Error{ErrorCode::timed_out, request_.method + " " + ports::to_string(to_) +
                                          request_.target + ": no answer in time"});
    }));
  }

  void end(Status status) {
    lane_.cancel(std::exchange(timer_, ports::TimerId()));
    scope_.reset();
    if (wire_ != nullptr) {
      wire_->use(nullptr);
      // Not destroyed here: this may be inside of its own callback.
      lane_.after(Duration(), [kept = std::move(wire_)]() mutable { kept.reset(); });
    }
    dial_.reset();
    const auto on_end = std::exchange(consumer_.on_end, nullptr);
    on_end(std::move(status));
  }

  std::shared_ptr<WirePool> pool_;  // shared with the Client
  ports::Lane& lane_;
  const ports::HostPort to_;
  const Request request_;
  const CallOptions options_;
  const Kind kind_;
  StreamConsumer consumer_;
  std::vector<ports::Address> addresses_;
  std::unique_ptr<ports::Dial> dial_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<ResponseReader> reader_;
  Bytes input_;
  Bytes pieces_;
  bool reused_ = false;
  bool heard_ = false;
  bool head_shown_ = false;
  bool paused_ = false;
  std::optional<Error> ended_by_;
  ports::TimerId timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  ports::Scope scope_;
};

// What a one-shot call has read so far; shared by the callbacks of its consumer.
struct Whole {
  Response response;
  bool too_large = false;
};

Error too_large_error(std::size_t size_max) {
  return Error{ErrorCode::too_large,
               "an answer of more than " + std::to_string(size_max) + " bytes"};
}

}  // namespace

struct Client::Parts {
  std::shared_ptr<WirePool> pool;
};

Client::Client(ports::Lane& lane, ports::Network& network, ClientOptions options)
    : parts_(std::make_unique<Parts>(
          Parts{std::make_shared<WirePool>(lane, network, std::move(options))})) {}

Client::~Client() { parts_->pool->close(); }

std::unique_ptr<Call> Client::request(const ports::HostPort& to, Request request,
                                      const CallOptions& options, Done done) {
  auto whole = std::make_shared<Whole>();
  StreamConsumer consumer;
  consumer.on_head = [whole](const Response& head) { whole->response = head; };
  consumer.on_body = [whole, size_max = options.body_size_bytes_max](ByteView piece) {
    // The rest is read and dropped: to stop here would need the Call, which the caller owns.
    whole->too_large = whole->too_large || whole->response.body.size() + piece.size() > size_max;
    if (!whole->too_large) {
      whole->response.body.append(piece);
    }
  };
  consumer.on_end = [whole, done = std::move(done),
                     size_max = options.body_size_bytes_max](Status end) {
    if (!end.ok()) {
      done(std::move(end).error());
    } else if (whole->too_large) {
      done(too_large_error(size_max));
    } else {
      done(std::move(whole->response));
    }
  };
  return std::make_unique<CallInProgress>(parts_->pool, to, std::move(request), options,
                                          Kind::one_shot, std::move(consumer));
}

std::unique_ptr<Call> Client::stream(const ports::HostPort& to, Request request,
                                     const CallOptions& options, StreamConsumer consumer) {
  return std::make_unique<CallInProgress>(parts_->pool, to, std::move(request), options,
                                          Kind::stream, std::move(consumer));
}

Result<Url> parse_url(const std::string& text) {
  Url url;
  std::string rest = text;
  if (text.starts_with("http://")) {
    rest = text.substr(7);
  } else if (text.starts_with("https://")) {
    rest = text.substr(8);
    url.tls = true;
  } else if (text.starts_with("//")) {
    rest = text.substr(2);
  } else {
    return Error{ErrorCode::invalid_argument, "not an http URL: \"" + text + "\""};
  }
  rest = rest.substr(0, rest.find('#'));
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  url.target = rest.substr(end);
  if (url.target.empty() || url.target.front() == '?') {
    url.target.insert(0, "/");
  }
  SYNOD_TRY_ASSIGN(url.endpoint, ports::parse_host_port(rest.substr(0, end), url.tls ? 443 : 80));
  return url;
}

}  // namespace synod::http
