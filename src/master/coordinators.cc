#include "master/coordinators.h"

#include <charconv>
#include <map>
#include <string_view>

namespace synod::master {

namespace {

constexpr std::size_t answer_size_max = 64 << 10;
// Loopback and racks answer in a millisecond; the page must not wait for a dead one.
constexpr Duration patience = Duration::millis(700);

std::uint64_t number(std::string_view text, int base = 10) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out, base);
  return out;
}

// Lines of "name<separator>value".
std::map<std::string, std::string> lines_of(const std::string& answer, std::string_view separator) {
  std::map<std::string, std::string> out;
  std::size_t at = 0;
  while (at < answer.size()) {
    const std::size_t end = std::min(answer.find('\n', at), answer.size());
    const std::string line = answer.substr(at, end - at);
    const std::size_t cut = line.find(separator);
    if (cut != std::string::npos) {
      out[line.substr(0, cut)] = line.substr(cut + separator.size());
    }
    at = end + 1;
  }
  return out;
}

double decimal(const std::string& text) {
  double out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

}  // namespace

bool read_mntr(const std::string& answer, CoordinatorView& out) {
  auto lines = lines_of(answer, "\t");
  if (lines.count("zk_server_state") == 0) {
    return false;
  }
  out.state = lines["zk_server_state"];
  out.version = lines["zk_version"];
  out.znodes = number(lines["zk_znode_count"]);
  out.connections = number(lines["zk_num_alive_connections"]);
  const bool counts = lines.count("zk_global_sessions") > 0;
  out.sessions = number(lines[counts ? "zk_global_sessions" : "zk_local_sessions"]);
  out.zxid = number(lines["zk_last_zxid"].substr(0, 2) == "0x" ? lines["zk_last_zxid"].substr(2)
                                                               : lines["zk_last_zxid"],
                    16);
  out.ballot = number(lines["zk_ballot"]);
  out.fsync_p99_ms = decimal(lines["zk_p99_fsynctime"]);
  return true;
}

bool read_srvr(const std::string& answer, CoordinatorView& out) {
  auto lines = lines_of(answer, ": ");
  if (lines.count("Mode") == 0) {
    return false;
  }
  out.state = lines["Mode"];
  out.version = lines["Zookeeper version"];
  out.znodes = number(lines["Node count"]);
  out.connections = number(lines["Connections"]);
  const std::string& zxid = lines["Zxid"];
  out.zxid = number(zxid.size() > 2 ? zxid.substr(2) : zxid, 16);
  return true;
}

// One server: mntr, and srvr if that is not allowed; each word needs a connection of its own.
class Coordinators::Question : public ports::StreamHandler {
 public:
  Question(Coordinators& owner, std::size_t server) : owner_(owner), server_(server) {
    view_.endpoint = owner.servers_[server];
    deadline_ = owner_.lane_.after(patience, scope_.wrap([this] { end(); }));
    owner_.network_.resolve(owner_.lane_, view_.endpoint,
                            scope_.wrap([this](Result<std::vector<ports::Address>> found) {
                              if (!found.ok()) {
                                end();
                                return;
                              }
                              address_ = found->front();
                              ask("mntr");
                            }));
  }
  ~Question() override { owner_.lane_.cancel(deadline_); }

  void on_bytes(ByteView bytes) override {
    if (answer_.size() + bytes.size() <= answer_size_max) {
      answer_ += bytes;
    }
  }
  void on_eof() override { stream_->close(); }
  void on_closed(const Error& /*reason*/) override {
    // The stream may not be destroyed in its own callback.
    next_ = owner_.lane_.after(Duration(), scope_.wrap([this] { judge(); }));
  }

 private:
  void ask(const char* word) {
    word_ = word;
    answer_.clear();
    dial_ = owner_.network_.dial(owner_.lane_, address_, {patience, {}},
                                 scope_.wrap([this](Result<std::unique_ptr<ports::Stream>> made) {
                                   if (!made.ok()) {
                                     end();
                                     return;
                                   }
                                   stream_ = *std::move(made);
                                   stream_->attach(owner_.lane_, *this);
                                   stream_->write(word_);
                                 }));
  }

  void judge() {
    if (word_ == "mntr" && !read_mntr(answer_, view_)) {
      ask("srvr");
      return;
    }
    if (word_ == "srvr" && !read_srvr(answer_, view_) && !answer_.empty()) {
      // "This ZooKeeper instance is not currently serving requests", or a word not allowed.
      view_.state = "electing";
    }
    end();
  }

  void end() {
    if (!ended_) {
      ended_ = true;
      owner_.finish(server_, view_);
    }
  }

  Coordinators& owner_;
  std::size_t server_;
  CoordinatorView view_;
  ports::Address address_;
  std::string word_;
  std::string answer_;
  bool ended_ = false;
  ports::TimerId deadline_;
  ports::TimerId next_;
  std::unique_ptr<ports::Dial> dial_;
  std::unique_ptr<ports::Stream> stream_;
  ports::Scope scope_;
};

Coordinators::Coordinators(ports::Lane& lane, ports::Network& network,
                           std::vector<ports::HostPort> servers)
    : lane_(lane), network_(network), servers_(std::move(servers)), last_(servers_.size()) {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    last_[i].endpoint = servers_[i];
  }
}

Coordinators::~Coordinators() = default;

void Coordinators::look(Duration age, std::function<void()> done) {
  waiting_.push_back(std::move(done));
  if (open_ > 0) {
    return;
  }
  if (servers_.empty() || (looked_ && lane_.now() - looked_at_ <= age)) {
    answer_later();
    return;
  }
  questions_.clear();
  open_ = servers_.size();
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    questions_.push_back(std::make_unique<Question>(*this, i));
  }
}

void Coordinators::finish(std::size_t server, CoordinatorView view) {
  last_[server] = std::move(view);
  if (--open_ > 0) {
    return;
  }
  looked_ = true;
  looked_at_ = lane_.now();
  // On a later turn: a callback may look again, which drops the question that is ending here.
  answer_later();
}

void Coordinators::answer_later() {
  lane_.after(Duration(), scope_.wrap([this] {
    auto waiting = std::move(waiting_);
    waiting_.clear();
    for (auto& callback : waiting) {
      callback();
    }
  }));
}

}  // namespace synod::master
