#include "cli/word.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ports/network.h"
#include "ports/scope.h"
#include "ports/stream.h"

namespace synod::cli {
namespace {

constexpr std::size_t answer_size_bytes_max = 8 << 20;
constexpr Duration poll_interval = Duration::millis(2);

class WordQuestion final : public ports::StreamHandler {
 public:
  WordQuestion(Session& session, const ports::HostPort& server, std::string word, Duration timeout)
      : session_(session), word_(std::move(word)), timeout_(timeout) {
    network().resolve(lane(), server, scope_.wrap([this](auto&& found) {
      found.ok() ? dial(found->front()) : fail(found.error());
    }));
  }

  const std::optional<Result<std::string>>& answer() const { return answer_; }

  void on_bytes(ByteView bytes) override {
    if (text_.size() + bytes.size() <= answer_size_bytes_max) {
      text_ += bytes;
    }
  }
  void on_eof() override { stream_->close(); }
  void on_closed(const Error& reason) override {
    if (text_.empty()) {
      fail(reason);
    } else {
      answer_ = std::string(text_);
    }
  }

 private:
  ports::Lane& lane() { return session_.lane(); }
  ports::Network& network() { return session_.machine().network(); }
  void fail(const Error& error) { answer_ = Result<std::string>(error); }

  void dial(const ports::Address& to) {
    dial_ = network().dial(lane(), to, {timeout_, {}}, scope_.wrap([this](auto&& made) {
      if (!made.ok()) {
        fail(made.error());
        return;
      }
      stream_ = std::move(made).value();
      stream_->attach(lane(), *this);
      stream_->write(word_);
    }));
  }

  Session& session_;
  std::string word_;
  Duration timeout_;
  Bytes text_;
  std::optional<Result<std::string>> answer_;
  std::unique_ptr<ports::Dial> dial_;
  std::unique_ptr<ports::Stream> stream_;
  ports::Scope scope_;
};

}  // namespace

Result<std::string> ask_word(Session& session, const ports::HostPort& server,
                             const std::string& word, Duration timeout) {
  WordQuestion question(session, server, word, timeout);
  const Instant deadline = session.lane().now() + timeout;
  while (!question.answer().has_value()) {
    if (session.lane().now() >= deadline || !session.wait(poll_interval)) {
      return Error{ErrorCode::timed_out, "no answer from " + ports::to_string(server)};
    }
  }
  return *question.answer();
}

std::map<std::string, std::string> lines_of_mntr(const std::string& answer) {
  std::map<std::string, std::string> lines;
  std::size_t at = 0;
  while (at < answer.size()) {
    const std::size_t end = std::min(answer.find('\n', at), answer.size());
    const std::string line = answer.substr(at, end - at);
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos) {
      lines[line.substr(0, tab)] = line.substr(tab + 1);
    }
    at = end + 1;
  }
  return lines;
}

}  // namespace synod::cli
