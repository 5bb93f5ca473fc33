#include "http/reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/check.h"

namespace synod::http {
namespace {

namespace beast = boost::beast::http;

Headers headers_of(const beast::fields& fields) {
  Headers headers;
  for (const auto& field : fields) {
    headers.add(std::string(field.name_string()), std::string(field.value()));
  }
  return headers;
}

// A body that is handed on piece by piece.
struct PieceBody {
  using value_type = const ResponseReader::Piece*;

  class reader {
   public:
    template <bool is_request, class Fields>
    reader(beast::header<is_request, Fields>&, value_type& piece) : piece_(piece) {}

    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& fault) {
      fault = {};
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& fault) {
      fault = {};
      std::size_t total = 0;
      for (auto at = boost::asio::buffer_sequence_begin(buffers);
           at != boost::asio::buffer_sequence_end(buffers); ++at) {
        const boost::asio::const_buffer buffer = *at;
        (*piece_)(ByteView(static_cast<const char*>(buffer.data()), buffer.size()));
        total += buffer.size();
      }
      return total;
    }
    void finish(boost::system::error_code& fault) { fault = {}; }

   private:
    value_type& piece_;  // the message's body, set after the parser is made
  };
};

}  // namespace

struct RequestReader::Parser {
  beast::request_parser<beast::string_body> beast;
};

RequestReader::RequestReader(const ReadBounds& bounds) : parser_(std::make_unique<Parser>()) {
  parser_->beast.eager(true);
  parser_->beast.header_limit(static_cast<std::uint32_t>(bounds.header_size_bytes_max));
  parser_->beast.body_limit(bounds.body_size_bytes_max);
}

RequestReader::~RequestReader() = default;

Result<std::size_t, RequestReader::Refusal> RequestReader::feed(ByteView input) {
  std::size_t used = 0;
  while (!is_done() && used < input.size()) {
    boost::system::error_code fault;
    const std::size_t step =
        parser_->beast.put(boost::asio::buffer(input.data() + used, input.size() - used), fault);
    used += step;
    if (fault == beast::error::need_more || (!fault && step == 0)) {
      break;
    }
    if (fault == beast::error::header_limit) {
      return Refusal{431, "the header is too large"};
    }
    if (fault == beast::error::body_limit) {
      return Refusal{413, "the body is too large"};
    }
    if (fault == beast::error::bad_version) {
      return Refusal{505, "this server speaks HTTP/1.1"};
    }
    if (fault) {
      return Refusal{400, "this is not HTTP"};
    }
  }
  return used;
}

bool RequestReader::is_done() const { return parser_->beast.is_done(); }

bool RequestReader::awaits_continue() const {
  const auto& parser = parser_->beast;
  return parser.is_header_done() && !parser.is_done() && parser.get().version() >= 11 &&
         equals_ignoring_case(std::string_view(parser.get()[beast::field::expect].data(),
                                               parser.get()[beast::field::expect].size()),
                              "100-continue");
}

bool RequestReader::keep_alive() const { return parser_->beast.keep_alive(); }
bool RequestReader::is_old_version() const { return parser_->beast.get().version() < 11; }

Request RequestReader::take() {
  auto message = parser_->beast.release();
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.headers = headers_of(message);
  request.body = std::move(message.body());
  return request;
}

struct ResponseReader::Parser {
  beast::response_parser<PieceBody> beast;
  bool head_taken = false;
};

ResponseReader::ResponseReader(Expect expect, Piece piece)
    : expect_(expect), piece_(std::move(piece)) {
  begin();
}

ResponseReader::~ResponseReader() = default;

void ResponseReader::begin() {
  parser_ = std::make_unique<Parser>();
  parser_->beast.body_limit(boost::none);
  parser_->beast.get().body() = &piece_;
  if (expect_ == Expect::no_body) {
    parser_->beast.skip(true);
  }
}

// One step at a time: the head is shown before the first piece of its body.
Result<std::size_t> ResponseReader::feed(ByteView input) {
  if (is_done() || input.empty()) {
    return std::size_t{0};
  }
  boost::system::error_code fault;
  const std::size_t used =
      parser_->beast.put(boost::asio::buffer(input.data(), input.size()), fault);
  if (fault && fault != beast::error::need_more) {
    return Error{ErrorCode::malformed, "HTTP response: " + fault.message()};
  }
  if (parser_->beast.is_header_done() && parser_->beast.get().result_int() / 100 == 1) {
    begin();
  }
  return used;
}

Status ResponseReader::feed_end() {
  boost::system::error_code fault;
  if (!parser_->beast.got_some()) {
    return Error{ErrorCode::closed, "the server closed the connection before it answered"};
  }
  parser_->beast.put_eof(fault);
  if (fault) {
    return Error{ErrorCode::closed, "the server closed the connection within its answer"};
  }
  return {};
}

bool ResponseReader::has_head() const {
  return parser_->beast.is_header_done() && !parser_->head_taken;
}

Response ResponseReader::take_head() {
  SYNOD_CHECK(has_head());
  parser_->head_taken = true;
  const auto& message = parser_->beast.get();
  Response head;
  head.status = static_cast<int>(message.result_int());
  head.headers = headers_of(message);
  return head;
}

bool ResponseReader::is_done() const { return parser_->beast.is_done(); }
bool ResponseReader::keep_alive() const { return parser_->beast.keep_alive(); }

}  // namespace synod::http
