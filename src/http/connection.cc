#include "http/connection.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/reader.h"

namespace synod::http {
namespace {

// Statuses whose responses never have a body.
bool is_bodiless(int status) { return status / 100 == 1 || status == 204 || status == 304; }

// An answer without much of a body is written in one allocation.
constexpr std::size_t head_size_usual = 256;

// Fields that the server alone decides.
bool is_framing(std::string_view name) {
  for (const char* ours : {"content-length", "transfer-encoding", "connection", "date"}) {
    if (equals_ignoring_case(name, ours)) {
      return true;
    }
  }
  return false;
}

std::string hex_of(std::size_t value) {
  char text[20];
  const auto end = std::to_chars(text, text + sizeof(text), value, 16).ptr;
  return std::string(text, end);
}

// A field must not end its line.
void append_value(std::string& out, const std::string& value) {
  for (const char c : value) {
    out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
}

}  // namespace

std::string http_date(WallTime time) {
  static constexpr std::array<const char*, 7> days{"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::int64_t seconds = time.millis / 1000;
  const std::int64_t day = seconds / 86'400;
  const std::int64_t rest = seconds % 86'400;
  // Days to a date of the Gregorian calendar, in years that begin in March.
  const std::int64_t shifted = day + 719'468;
  const std::int64_t era = shifted / 146'097;
  const std::int64_t of_era = shifted % 146'097;
  const std::int64_t year_of_era =
      (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month = (5 * of_year + 2) / 153;
  const std::int64_t date = of_year - (153 * month + 2) / 5 + 1;
  const std::int64_t calendar_month = month < 10 ? month + 2 : month - 10;
  const std::int64_t year = year_of_era + era * 400 + (calendar_month < 2 ? 1 : 0);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                     days[static_cast<std::size_t>(day % 7)], date,
                     months[static_cast<std::size_t>(calendar_month)], year, rest / 3600,
                     rest / 60 % 60, rest % 60);
}

Connection::Connection(std::uint64_t id, const Owner& owner, std::unique_ptr<ports::Stream> stream)
    : id_(id), owner_(owner), stream_(std::move(stream)) {}

Connection::~Connection() {
  if (timer_ != ports::TimerId()) {
    owner_.lane.cancel(timer_);
  }
}

void Connection::start() {
  stream_->attach(owner_.lane, *this);
  set_deadline(owner_.options.idle_timeout);
}

void Connection::drain() {
  keep_alive_ = false;
  if (state_ == State::waiting) {
    finish();
  }
}

void Connection::abandon() {
  state_ = State::closed;
  ++exchange_;
  gone_ = nullptr;
  stream_.reset();
}

// --- input

void Connection::on_bytes(ByteView bytes) {
  const auto keep = shared_from_this();
  input_.append(bytes);
  if (state_ == State::handling && input_.size() - taken_ > input_size_bytes_max && !paused_) {
    paused_ = true;
    stream_->pause_reading();
  }
  advance();
}

// What was decoded goes when it is the larger part: many small requests lie in one input, and each
// would move all that follow it.
void Connection::take_input(std::size_t size) {
  taken_ += size;
  if (taken_ * 2 >= input_.size()) {
    input_.erase(0, taken_);
    taken_ = 0;
  }
}

// Decodes until a request must be handled or bytes are wanted.
void Connection::advance() {
  if (advancing_) {
    return;
  }
  advancing_ = true;
  while ((state_ == State::waiting || state_ == State::reading) && input_.size() > taken_ &&
         stream_->buffered() <= output_size_bytes_max) {
    if (state_ == State::waiting) {
      state_ = State::reading;
      continued_ = false;
      reader_ = std::make_unique<RequestReader>(
          ReadBounds{owner_.options.header_size_bytes_max, owner_.options.body_size_bytes_max});
      set_deadline(owner_.options.request_timeout);
    }
    const auto used = reader_->feed(ByteView(input_).substr(taken_));
    if (!used.ok()) {
      refuse(used.error().status, used.error().why);
      break;
    }
    take_input(*used);
    if (reader_->is_done()) {
      handle();
    } else {
      if (!continued_ && reader_->awaits_continue()) {
        continued_ = true;
        stream_->write("HTTP/1.1 100 Continue\r\n\r\n");
      }
      break;
    }
  }
  advancing_ = false;
  if (state_ == State::closed || stream_ == nullptr) {
    return;
  }
  if (eof_ && state_ != State::handling && stream_->buffered() <= output_size_bytes_max) {
    finish();
    return;
  }
  if (paused_ && state_ != State::handling && stream_->buffered() <= output_size_bytes_max) {
    paused_ = false;
    stream_->resume_reading();
  }
}

void Connection::handle() {
  state_ = State::handling;
  deadline_ = Instant::max();
  const std::uint64_t exchange = ++exchange_;
  keep_alive_ = keep_alive_ && reader_->keep_alive();
  old_version_ = reader_->is_old_version();
  Request request = reader_->take();
  reader_.reset();
  head_only_ = request.method == "HEAD";
  request.peer = stream_->peer();
  // The absolute form (RFC 9112, 3.2.2) means what its path means.
  std::string_view target = request.target;
  if (const std::size_t scheme = target.find("://"); scheme < target.find('/')) {
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  auto path = percent_decode(target.substr(0, question), Plus::literal);
  if (!path) {
    keep_alive_ = false;
    respond(exchange, error_response(400, "malformed path"));
    return;
  }
  request.path = std::move(*path);
  request.query = parse_query(target.substr(std::min(question + 1, target.size())));
  owner_.handler(std::move(request), Responder(weak_from_this(), exchange));
}

void Connection::on_eof() {
  const auto keep = shared_from_this();
  eof_ = true;
  if (state_ == State::handling && streaming_) {
    vanish();  // a subscriber that sends no more has gone: half-closed ones are not known
    return;
  }
  if (state_ != State::handling) {
    advance();
    if (state_ != State::handling && state_ != State::closed) {
      finish();
    }
  }
}

void Connection::on_drained() {
  const auto keep = shared_from_this();
  if (state_ != State::handling && state_ != State::closed) {
    advance();
  }
}

void Connection::on_closed(const Error&) {
  const auto keep = shared_from_this();
  vanish();
}

// --- output

bool Connection::serves(std::uint64_t exchange) const {
  return state_ == State::handling && exchange_ == exchange;
}

std::string Connection::head_of(const Response& response, const std::string& framing) const {
  std::string head;
  head.reserve(head_size_usual + response.body.size());
  head.append("HTTP/1.1 ").append(std::to_string(response.status)).append(1, ' ');
  head.append(reason_of(response.status)).append("\r\n");
  for (const auto& [name, value] : response.headers) {
    if (!is_framing(name)) {
      append_value(head, name);
      head += ": ";
      append_value(head, value);
      head += "\r\n";
    }
  }
  head.append("Date: ").append(owner_.date.at(owner_.lane.wall())).append("\r\n").append(framing);
  if (!keep_alive_) {
    head += "Connection: close\r\n";
  } else if (old_version_) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

void Connection::respond(std::uint64_t exchange, Response response) {
  if (!serves(exchange) || streaming_) {
    return;
  }
  const auto keep = shared_from_this();
  keep_alive_ = keep_alive_ && !eof_;
  const bool bodiless = is_bodiless(response.status);
  std::string bytes = head_of(
      response, bodiless ? "" : "Content-Length: " + std::to_string(response.body.size()) + "\r\n");
  if (!bodiless && !head_only_) {
    bytes += response.body;
  }
  stream_->write(std::move(bytes));
  answered();
}

bool Connection::begin_stream(std::uint64_t exchange, Response head) {
  if (!serves(exchange) || streaming_) {
    return false;
  }
  if (eof_) {  // as in on_eof; on a later turn, so that the user can ask to be told first
    owner_.lane.after(Duration(), scope_.wrap([this, exchange] { cut(exchange); }));
  }
  streaming_ = true;
  chunked_ = !old_version_;
  keep_alive_ = keep_alive_ && chunked_;
  stream_->write(head_of(head, chunked_ ? "Transfer-Encoding: chunked\r\n" : ""));
  return true;
}

bool Connection::write_record(std::uint64_t exchange, ByteView record) {
  if (!serves(exchange)) {
    return false;
  }
  if (record.empty() || head_only_) {
    return true;
  }
  if (stream_->buffered() + record.size() > owner_.options.stream_unread_bytes_max) {
    owner_.lane.log().warning("http", "subscriber {} cut: {} bytes unread",
                              ports::to_string(stream_->peer().address), stream_->buffered());
    cut(exchange);
    return false;
  }
  if (!chunked_) {
    stream_->write(Bytes(record));
    return true;
  }
  Bytes chunk = hex_of(record.size());
  chunk.reserve(chunk.size() + record.size() + 4);
  chunk.append("\r\n").append(record).append("\r\n");
  stream_->write(std::move(chunk));
  return true;
}

void Connection::end_stream(std::uint64_t exchange) {
  if (!serves(exchange) || !streaming_) {
    return;
  }
  const auto keep = shared_from_this();
  if (chunked_ && !head_only_) {
    stream_->write("0\r\n\r\n");
  }
  answered();
}

void Connection::cut(std::uint64_t exchange) {
  if (serves(exchange)) {
    const auto keep = shared_from_this();
    vanish();
  }
}

std::size_t Connection::buffered(std::uint64_t exchange) const {
  return serves(exchange) ? stream_->buffered() : 0;
}

void Connection::on_gone(std::uint64_t exchange, std::function<void()> callback) {
  if (serves(exchange)) {
    gone_ = std::move(callback);
  }
}

void Connection::answered() {
  streaming_ = false;
  gone_ = nullptr;
  state_ = State::waiting;
  if (!keep_alive_) {
    finish();
    return;
  }
  set_deadline(owner_.options.idle_timeout);
  // Deeper than one request only through the loop of advance(), never by recursion; a handler that
  // answers later is not inside of it.
  advance();
}

// --- endings

void Connection::refuse(int status, const char* why) {
  keep_alive_ = false;
  head_only_ = false;
  state_ = State::handling;
  streaming_ = false;
  respond(++exchange_, error_response(status, why));
}

// Sends what is queued, then closes.
void Connection::finish() {
  state_ = State::closed;
  deadline_ = Instant::max();
  stream_->close();
}

// Closes at once; the exchange at hand hears that its client has gone.
void Connection::vanish() {
  state_ = State::closed;
  if (gone_) {
    // On a later turn: this may happen inside a call of the very user who is to be told.
    owner_.lane.after(Duration(), [gone = std::exchange(gone_, nullptr)]() mutable { gone(); });
  }
  stream_.reset();
  owner_.ended(id_);
}

void Connection::set_deadline(Duration timeout) {
  deadline_ = owner_.lane.now() + timeout;
  if (timer_ == ports::TimerId()) {
    watch_deadline();
  }
}

// One timer a connection, looked at when it fires: requests are more frequent than timeouts.
void Connection::watch_deadline() {
  const Duration most = std::min(owner_.options.idle_timeout, owner_.options.request_timeout);
  Duration wait = most;
  if (deadline_ != Instant::max()) {
    wait = std::clamp(deadline_ - owner_.lane.now(), std::min(Duration::millis(1), most), most);
  }
  timer_ = owner_.lane.after(wait, scope_.wrap([this] {
    timer_ = ports::TimerId();
    if (state_ != State::closed) {
      on_timer();
    }
  }));
}

void Connection::on_timer() {
  const auto keep = shared_from_this();
  if (owner_.lane.now() < deadline_) {
    watch_deadline();
  } else if (state_ == State::reading) {
    refuse(408, "the request did not come in time");
  } else {
    finish();
  }
}

}  // namespace synod::http
