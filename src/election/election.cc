#include "election/election.h"

#include <algorithm>

#include "election/contest.h"
#include "election/detector.h"
#include "ports/entropy.h"

namespace synod::election {
namespace {

using zkclient::Certainty;
using zkclient::CreateMode;
using zkwire::Code;

constexpr Duration retry_pause = Duration::millis(200);
constexpr Duration resign_timeout = Duration::seconds(1);

}  // namespace

zkwire::AclList acl_for(const zkclient::ConnectString& connect) {
  if (connect.digest.empty()) {
    return zkwire::open_acl();
  }
  return {{zkwire::perm::read, {"world", "anyone"}}, {zkwire::perm::all, {"auth", ""}}};
}

Election::Election(ports::Lane& lane, ports::Network& network, ElectionOptions options,
                   ElectionHandler& handler)
    : contest_(std::make_shared<Contest>(lane, network, std::move(options), handler)) {}

Election::~Election() { contest_->abandon(); }

zkclient::Client& Election::client() { return contest_->client(); }
const std::optional<Leader>& Election::leader() const { return contest_->leader(); }
const std::optional<Leadership>& Election::leadership() const { return contest_->leadership(); }
bool Election::may_speak() const { return contest_->may_speak(); }
Instant Election::may_speak_until() const { return contest_->may_speak_until(); }
void Election::resign(std::function<void()> done) { contest_->resign(std::move(done)); }

Election::Contest::Contest(ports::Lane& lane, ports::Network& network, ElectionOptions options,
                           ElectionHandler& handler)
    : lane_(lane), network_(network), options_(std::move(options)), handler_(handler) {
  zkclient::ClientOptions client_options;
  client_options.connect = options_.connect;
  client_options.connect.path = "";
  client_options.session_timeout = options_.session_timeout;
  client_ = std::make_unique<zkclient::Client>(lane_, network_, std::move(client_options),
                                               [this](zkclient::State state) { on_state(state); });
  ticked_at_ = lane_.now();
  tick();
}

void Election::Contest::abandon() {
  abandoned_ = true;
  scope_.reset();
  client_.reset();
}

void Election::Contest::on_state(zkclient::State state) {
  if (is_over()) {
    return;
  }
  const auto keep = shared_from_this();
  switch (state) {
    case zkclient::State::connected:
      if (!std::exchange(session_known_, true)) {
        handler_.on_session(client_->credentials());
      }
      step();
      return;
    case zkclient::State::expired: lose("the session has expired"); return;
    case zkclient::State::auth_failed: lose("the coordinators refuse our credentials"); return;
    case zkclient::State::closed: lose("the session was closed"); return;
    case zkclient::State::connecting:
    case zkclient::State::suspended: return;
  }
}

void Election::Contest::step() {
  if (busy_ || is_over() || !session_known_) {
    return;
  }
  if (!paths_made_) {
    make_paths();
  } else if (own_path_.empty()) {
    stand_unknown_ ? find_own() : stand();
  } else if (!watching_) {
    list();
  } else if (leader_ && leader_->path == own_path_ && !leadership_) {
    raise();
  }
}

void Election::Contest::step_later(Duration delay) {
  lane_.cancel(retry_timer_);
  retry_timer_ = lane_.after(delay, scope_.wrap([this] { step(); }));
}

// After a lost connection the next question waits in the client for the next server; anything else
// the server may think better of.
void Election::Contest::retry(const char* what, const zkclient::Failure& failure) {
  if (is_over()) {
    return;
  }
  if (failure.code != Code::connection_loss) {
    lane_.log().warning("election", "{}: {}", what, zkclient::to_string(failure));
  }
  step_later(failure.code == Code::connection_loss ? Duration() : retry_pause);
}

// --- standing

void Election::Contest::make_paths() {
  busy_ = true;
  const zkwire::AclList acl = acl_for(options_.connect);
  client_->create_path(
      parent_of(options_.epoch_path), [](zkclient::Answer<void>) {}, acl);
  client_->create_path(
      options_.path,
      [this](zkclient::Answer<void> made) {
        busy_ = false;
        if (!made.ok()) {
          retry("make the election path", made.error());
          return;
        }
        paths_made_ = true;
        step();
      },
      acl);
}

void Election::Contest::stand() {
  busy_ = true;
  const Instant asked = lane_.now();
  client_->create(
      options_.path + "/" + candidate_prefix, options_.candidate, CreateMode::ephemeral_sequential,
      [this, asked](zkclient::Answer<zkclient::Created> created) {
        busy_ = false;
        if (!created.ok()) {
          stand_unknown_ = created.error().certainty == Certainty::unknown;
          paths_made_ = created.error().code != Code::no_node;
          retry("stand", created.error());
          return;
        }
        own_path_ = created->path;
        confirmed_at_ = asked;
        lane_.log().info("election", "standing as {}", own_path_);
        step();
      },
      acl_for(options_.connect));
}

// Whether a candidate of ours exists: its ephemeral owner tells.
void Election::Contest::find_own() {
  busy_ = true;
  client_->sync(options_.path, [](zkclient::Answer<void>) {});
  client_->get_children(options_.path, nullptr, [this](zkclient::Answer<zkclient::Children> found) {
    busy_ = false;
    if (!found.ok()) {
      retry("look for our candidate", found.error());
      return;
    }
    busy_ = true;
    look_at(std::move(found->names));
  });
}

void Election::Contest::look_at(std::vector<std::string> names) {
  while (!names.empty() && !candidate_sequence(names.back())) {
    names.pop_back();
  }
  if (names.empty()) {
    busy_ = false;
    stand_unknown_ = false;
    step();
    return;
  }
  const std::string path = options_.path + "/" + names.back();
  names.pop_back();
  const Instant asked = lane_.now();
  client_->exists(path, nullptr,
                  [this, path, asked, names](zkclient::Answer<std::optional<zkwire::Stat>> stat) {
                    if (!stat.ok()) {
                      busy_ = false;
                      retry("look for our candidate", stat.error());
                      return;
                    }
                    if (*stat && (**stat).ephemeral_owner == client_->credentials().id.value()) {
                      busy_ = false;
                      stand_unknown_ = false;
                      own_path_ = path;
                      confirmed_at_ = asked;
                      step();
                      return;
                    }
                    look_at(names);
                  });
}

// --- watching

void Election::Contest::list() {
  busy_ = true;
  watching_ = true;
  client_->get_children(
      options_.path,
      [this](const zkwire::WatcherEvent&) {
        watching_ = false;
        step();
      },
      [this](zkclient::Answer<zkclient::Children> found) {
        busy_ = false;
        if (!found.ok()) {
          watching_ = false;
          retry("list the candidates", found.error());
          return;
        }
        on_children(found->names);
      });
}

void Election::Contest::on_children(const std::vector<std::string>& names) {
  const auto keep = shared_from_this();
  if (std::find(names.begin(), names.end(), name_of(own_path_)) == names.end()) {
    lose("our candidate " + own_path_ + " is gone");
    return;
  }
  const std::string path = options_.path + "/" + leading_child(names);
  if (leader_ && leader_->path == path) {
    step();
  } else if (path == own_path_) {
    set_leader(Leader{path, options_.candidate});
  } else {
    read_leader(path);
  }
}

void Election::Contest::read_leader(const std::string& path) {
  busy_ = true;
  client_->get_data(path, nullptr, [this, path](zkclient::Answer<zkclient::Data> read) {
    busy_ = false;
    if (read.ok()) {
      set_leader(Leader{path, std::move(read->data)});
      return;
    }
    watching_ = false;  // gone already, or to be asked again: list anew
    if (read.error().code == Code::no_node) {
      step();
    } else {
      retry("read the leader", read.error());
    }
  });
}

void Election::Contest::set_leader(std::optional<Leader> leader) {
  const auto keep = shared_from_this();
  leader_ = std::move(leader);
  handler_.on_leader(leader_);
  step();
}

// --- the epoch

void Election::Contest::raise() {
  busy_ = true;
  client_->get_data(options_.epoch_path, nullptr, [this](zkclient::Answer<zkclient::Data> read) {
    busy_ = false;
    if (!read.ok() && read.error().code == Code::no_node) {
      write_epoch(std::nullopt, 0);
      return;
    }
    if (!read.ok()) {
      retry("read the epoch", read.error());
      return;
    }
    const auto record = decode_epoch_record(read->data);
    if (!record.ok()) {
      // Nobody may lead with an epoch that could be lower than one given out before.
      lane_.log().error("election", "{}: {}; restore or remove it", options_.epoch_path,
                        to_string(record.error()));
      step_later(retry_pause * 5);
    } else if (record->session == client_->credentials().id &&
               record->candidate_path == own_path_) {
      on_raised(*record);  // our own earlier attempt, whose answer was lost
    } else {
      write_epoch(*record, read->stat.version);
    }
  });
}

void Election::Contest::write_epoch(const std::optional<EpochRecord>& before,
                                    std::int32_t version) {
  EpochRecord record;
  record.lineage = before ? before->lineage : lane_.entropy().uuid();
  record.epoch = before ? before->epoch.next() : MasterEpoch(1);
  record.session = client_->credentials().id;
  record.candidate_path = own_path_;
  std::vector<zkwire::MultiPart> parts{zkclient::check_part(own_path_, -1)};
  parts.push_back(before
                      ? zkclient::set_data_part(options_.epoch_path, encode(record), version)
                      : zkclient::create_part(options_.epoch_path, encode(record),
                                              CreateMode::persistent, acl_for(options_.connect)));
  busy_ = true;
  client_->multi(std::move(parts),
                 [this, record](zkclient::Answer<std::vector<zkwire::MultiResult>> written) {
                   busy_ = false;
                   if (written.ok()) {
                     on_raised(record);
                     return;
                   }
                   const zkclient::Failure failure = written.error();
                   if (failure.code == Code::no_node && failure.part == 0) {
                     lose("our candidate " + own_path_ + " is gone");
                     return;
                   }
                   paths_made_ = failure.code != Code::no_node;
                   retry("raise the epoch", failure);
                 });
}

void Election::Contest::on_raised(const EpochRecord& record) {
  const auto keep = shared_from_this();
  leadership_ = Leadership{record.lineage, record.epoch, own_path_};
  lane_.log().info("election", "leading with master_epoch={} lineage={} as {}",
                   record.epoch.value(), to_string(record.lineage), own_path_);
  told_may_speak_ = may_speak();
  handler_.on_elected(*leadership_);
  if (!is_over() && !told_may_speak_) {
    handler_.on_may_speak(false);
  }
  step();
}

// --- silence

bool Election::Contest::may_speak() const { return lane_.now() <= may_speak_until(); }

Instant Election::Contest::may_speak_until() const {
  if (is_over() || !leadership_ || confirmed_at_ < must_confirm_after_) {
    return Instant();
  }
  const Duration third = client_->session_timeout() / 3;
  const Instant until = std::min(ticked_at_ + third, confirmed_at_ + third * 2);
  return lane_.now() <= until ? until : Instant();
}

void Election::Contest::tick() {
  const Instant now = lane_.now();
  const Duration timeout = client_->session_timeout();
  if (now - ticked_at_ > timeout / 3) {
    must_confirm_after_ = now;
    lane_.log().warning("election", "not scheduled for {} ms: silent until confirmed",
                        (now - ticked_at_).millis());
  }
  ticked_at_ = now;
  lane_.after(std::max(timeout / 12, Duration::millis(5)), scope_.wrap([this] { tick(); }));
  if (is_over()) {
    return;
  }
  const auto due = std::max(confirmed_at_ + timeout / 6, must_confirm_after_);
  if (now >= due) {
    confirm();
  }
  tell_may_speak();
}

// sync reaches the leader of the ensemble, so what exists() sees afterwards is no stale follower's
// memory: at the time of asking our session had not ended.
void Election::Contest::confirm() {
  if (confirming_ || own_path_.empty() || client_->state() != zkclient::State::connected) {
    return;
  }
  confirming_ = true;
  const Instant asked = lane_.now();
  auto synced = std::make_shared<bool>(false);
  client_->sync(own_path_, [synced](zkclient::Answer<void> answer) { *synced = answer.ok(); });
  client_->exists(own_path_, nullptr,
                  [this, asked, synced](zkclient::Answer<std::optional<zkwire::Stat>> stat) {
                    const auto keep = shared_from_this();
                    confirming_ = false;
                    if (is_over() || !stat.ok() || !*synced) {
                      return;
                    }
                    if (!*stat || (**stat).ephemeral_owner != client_->credentials().id.value()) {
                      lose("our candidate " + own_path_ + " is gone");
                      return;
                    }
                    confirmed_at_ = std::max(confirmed_at_, asked);
                    tell_may_speak();
                  });
}

void Election::Contest::tell_may_speak() {
  if (is_over() || !leadership_ || told_may_speak_ == may_speak()) {
    return;
  }
  told_may_speak_ = !told_may_speak_;
  lane_.log().info("election", "{}", told_may_speak_ ? "leadership confirmed" : "silent");
  handler_.on_may_speak(told_may_speak_);
}

// --- endings

void Election::Contest::lose(const std::string& why) {
  if (is_over()) {
    return;
  }
  lost_ = true;
  lane_.log().error("election", "lost: {}", why);
  handler_.on_lost(why);
}

void Election::Contest::resign(std::function<void()> done) {
  resigned_ = true;
  auto once = std::make_shared<std::function<void()>>(std::move(done));
  const auto finish = scope_.wrap([once] {
    if (*once) {
      const auto call = std::exchange(*once, nullptr);
      call();
    }
  });
  auto timed_out = finish;
  lane_.after(resign_timeout, [timed_out]() mutable { timed_out(); });
  auto closed = finish;
  client_->close([closed](zkclient::Answer<void>) mutable { closed(); });
}

}  // namespace synod::election
