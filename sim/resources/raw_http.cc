#include "sim/resources/raw_http.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace synod::sim::resources {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return result;
}

}  // namespace

RawHttp::RawHttp(SimProcess& process, HttpRequest request, HttpListener listener)
    : process_(process),
      lane_(process.main_lane()),
      request_(std::move(request)),
      listener_(std::move(listener)) {
  dial();
}

RawHttp::~RawHttp() = default;

void RawHttp::dial() {
  ports::DialOptions options;
  options.timeout = Duration::seconds(2);
  dial_ =
      process_.network().dial(lane_, request_.to, options,
                              scope_.wrap([this](Result<std::unique_ptr<ports::Stream>> result) {
                                if (!result.ok()) {
                                  end(to_string(result.error()));
                                  return;
                                }
                                send(std::move(result).value());
                              }));
}

void RawHttp::send(std::unique_ptr<ports::Stream> stream) {
  stream_ = std::move(stream);
  stream_->attach(lane_, *this);
  std::string text = request_.method + " " + request_.path +
                     " HTTP/1.1\r\nHost: " + to_string(request_.to) +
                     "\r\nContent-Type: application/json\r\nAccept: application/json\r\n";
  for (const auto& [name, value] : request_.headers) {
    text += name + ": " + value + "\r\n";
  }
  text += "Content-Length: " + std::to_string(request_.body.size()) + "\r\n\r\n" + request_.body;
  stream_->write(std::move(text));
}

void RawHttp::on_bytes(ByteView bytes) {
  buffer_ += bytes;
  while (part_ != Part::done && advance()) {
  }
}

void RawHttp::on_eof() {
  if (part_ == Part::until_close) {
    end("");
  } else {
    end("closed before the end");
  }
}

void RawHttp::on_closed(const Error& reason) { end(to_string(reason)); }

// One step through the response; false if more bytes are needed.
bool RawHttp::advance() {
  switch (part_) {
    case Part::head: return read_head();
    case Part::chunk_size: return read_chunk_size();
    case Part::length:
      if (left_ == 0) {
        end("");
        return false;
      }
      if (buffer_.empty()) {
        return false;
      }
      give(std::min(left_, buffer_.size()));
      return true;
    case Part::chunk:
      if (buffer_.empty()) {
        return false;
      }
      give(std::min(left_, buffer_.size()));
      if (left_ == 0) {
        part_ = Part::chunk_end;
      }
      return true;
    case Part::chunk_end:
      if (buffer_.size() < 2) {
        return false;
      }
      buffer_.erase(0, 2);
      part_ = Part::chunk_size;
      return true;
    case Part::until_close: {
      left_ = buffer_.size();
      give(left_);
      return false;
    }
    case Part::done: return false;
  }
  return false;
}

bool RawHttp::read_head() {
  const std::size_t stop = buffer_.find("\r\n\r\n");
  if (stop == std::string::npos) {
    return false;
  }
  HttpHead head;
  std::size_t from = buffer_.find("\r\n");
  head.status = std::atoi(buffer_.c_str() + std::min<std::size_t>(9, buffer_.size()));
  while (from < stop) {
    const std::size_t line_end = buffer_.find("\r\n", from + 2);
    const std::string line = buffer_.substr(from + 2, line_end - from - 2);
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos) {
      const std::size_t value = line.find_first_not_of(' ', colon + 1);
      head.headers[lower(line.substr(0, colon))] =
          value == std::string::npos ? "" : line.substr(value);
    }
    from = line_end;
  }
  buffer_.erase(0, stop + 4);
  if (lower(head.headers["transfer-encoding"]) == "chunked") {
    part_ = Part::chunk_size;
  } else if (head.headers.count("content-length") != 0) {
    part_ = Part::length;
    left_ = static_cast<std::size_t>(std::atoll(head.headers["content-length"].c_str()));
  } else {
    part_ = head.status == 204 || head.status == 304 ? Part::length : Part::until_close;
  }
  listener_.on_head(head);
  return true;
}

bool RawHttp::read_chunk_size() {
  const std::size_t stop = buffer_.find("\r\n");
  if (stop == std::string::npos) {
    return false;
  }
  std::size_t size = 0;
  std::from_chars(buffer_.data(), buffer_.data() + stop, size, 16);
  buffer_.erase(0, stop + 2);
  left_ = size;
  part_ = Part::chunk;
  if (size == 0) {
    end("");
    return false;
  }
  return true;
}

void RawHttp::give(std::size_t count) {
  const Bytes piece = buffer_.substr(0, count);
  buffer_.erase(0, count);
  left_ -= count;
  if (!piece.empty()) {
    listener_.on_body(piece);
  }
}

void RawHttp::end(const std::string& failure) {
  if (part_ == Part::done) {
    return;
  }
  part_ = Part::done;
  // On a turn of its own: the listener may destroy us.
  lane_.after(Duration(), scope_.wrap([this, failure] {
    const auto told = listener_.on_end;
    told(failure);
  }));
}

}  // namespace synod::sim::resources
