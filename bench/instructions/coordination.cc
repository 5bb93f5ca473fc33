// The coordination half: one write of 100 bytes on its way, and one read.
#include <cstdlib>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "bench/instructions/cases.h"
#include "paxos/core.h"
#include "sim/disk.h"
#include "storage/log.h"
#include "zkwire/frame.h"
#include "znode/state.h"

namespace synod::bench {
namespace {

constexpr std::size_t data_size = 100;
constexpr int keys = 1000;

std::string key(int number) { return "/bench/k" + std::to_string(number % keys); }

void require(bool good) {
  if (!good) {
    std::abort();
  }
}

constexpr std::int64_t session = 0x1'0000'0001;

// The writes of one session, in their order.
znode::Command write(std::uint64_t& sequence, zkwire::OpCode op, zkwire::Request request) {
  znode::Command command;
  command.session = SessionId(session);
  command.generation = Generation(1);
  command.sequence = Sequence(++sequence);
  command.request = znode::ClientWrite{op, std::move(request)};
  return command;
}

znode::BatchHeader header() {
  znode::BatchHeader out;
  out.time = WallTime{1};
  return out;
}

znode::Command create(std::uint64_t& sequence, std::string path) {
  zkwire::CreateRequest request;
  request.path = std::move(path);
  request.data = Bytes(data_size, 'd');
  request.acl = {{31, {"world", "anyone"}}};
  return write(sequence, zkwire::OpCode::create, std::move(request));
}

// Three coordinators whose disks are durable at once and whose links deliver at once.
class Ensemble {
 public:
  Ensemble() {
    for (std::uint32_t i = 1; i <= 3; ++i) {
      members_.push_back({NodeId(i), Incarnation(i)});
    }
    for (const paxos::Member& member : members_) {
      paxos::Options options;
      options.self = member.node;
      options.configured = members_;
      options.fresh_incarnation = member.incarnation;
      options.fresh_cluster = ClusterId(7);
      paxos::Recovered recovered;
      recovered.identity = {options.fresh_cluster, member.incarnation, members_, false};
      cores_.push_back(std::make_unique<paxos::Core>(options, recovered));
    }
    for (std::size_t i = 0; i < cores_.size(); ++i) {
      queue_.emplace_back(i, paxos::Started{now_});
      for (const paxos::Member& member : members_) {
        if (member.node != members_[i].node) {
          queue_.emplace_back(i, paxos::LinkUp{now_, member.node});
        }
      }
    }
    run();
    queue_.emplace_back(0, paxos::Stand{now_});
    run();
    require(cores_[0]->serving());
  }

  void propose(const paxos::Entry& entry) {
    queue_.emplace_back(0, paxos::Propose{now_, entry});
    queue_.emplace_back(0, paxos::TurnEnded{now_});
    run();
  }
  std::uint64_t chosen() const { return cores_[2]->chosen().value(); }

 private:
  void run() {
    while (!queue_.empty()) {
      auto [at, event] = std::move(queue_.front());
      queue_.pop_front();
      paxos::Effects effects;
      cores_[at]->step(event, effects);
      for (paxos::Effect& effect : effects) {
        if (const auto* persist = std::get_if<paxos::Persist>(&effect)) {
          queue_.emplace_back(at, paxos::Durable{now_, persist->ballot, persist->lsn});
        } else if (auto* send = std::get_if<paxos::Send>(&effect)) {
          queue_.emplace_back(send->to.value() - 1,
                              paxos::Received{now_, members_[at].node, std::move(send->message)});
        }
      }
    }
  }

  Instant now_ = Instant() + Duration::seconds(1);
  std::vector<paxos::Member> members_;
  std::vector<std::unique_ptr<paxos::Core>> cores_;
  std::deque<std::pair<std::size_t, paxos::Event>> queue_;
};

}  // namespace

extern "C" {

[[gnu::noipa]] void measured_zkwire_decode_set_data(const Bytes* body, int count) {
  for (int i = 0; i < count; ++i) {
    ByteView rest(*body);
    require(zkwire::decode_request_header(rest).ok());
    require(zkwire::decode_request_body(zkwire::OpCode::set_data, rest).ok());
  }
}

[[gnu::noipa]] void measured_zkwire_encode_get_data_reply(const zkwire::Reply* reply, int count) {
  for (int i = 0; i < count; ++i) {
    require(!zkwire::encode_reply({i, i, 0}, *reply).empty());
  }
}

[[gnu::noipa]] void measured_znode_apply_set_data(znode::State* state,
                                                  const std::vector<znode::Command>* commands) {
  for (const znode::Command& command : *commands) {
    require(state->apply(header(), command).outcome.code == zkwire::Code::ok);
  }
}

[[gnu::noipa]] void measured_znode_apply_create(znode::State* state,
                                                const std::vector<znode::Command>* commands) {
  for (const znode::Command& command : *commands) {
    require(state->apply(header(), command).outcome.code == zkwire::Code::ok);
  }
}

[[gnu::noipa]] void measured_storage_append(storage::Log* log, int count) {
  for (int i = 0; i < count; ++i) {
    const Slot slot = log->state().last.next();
    log->append(storage::Value{{1, NodeId(1)}, slot, slot.value() + 7, Bytes(data_size + 60, 'v')});
  }
}

[[gnu::noipa]] void measured_paxos_write_of_three(Ensemble* ensemble, int count) {
  for (int i = 0; i < count; ++i) {
    ensemble->propose(paxos::make_entry(paxos::EntryKind::batch, Bytes(data_size + 60, 'v')));
  }
}

}  // extern "C"

namespace {

void wire_cases(int count) {
  zkwire::SetDataRequest request;
  request.path = key(1);
  request.data = Bytes(data_size, 'd');
  const Bytes body = zkwire::encode_request(
      {1, static_cast<std::int32_t>(zkwire::OpCode::set_data)}, zkwire::Request(request));
  counting_begins();
  measured_zkwire_decode_set_data(&body, count);
  zkwire::DataReply data;
  data.data = Bytes(data_size, 'd');
  const zkwire::Reply reply(data);
  counting_begins();
  measured_zkwire_encode_get_data_reply(&reply, count);
}

void znode_cases(int count) {
  znode::State state;
  std::uint64_t sequence = 0;
  znode::Command open;
  open.session = SessionId(session);
  open.request = znode::CreateSession{1, 30'000, Bytes(16, 'p'), 1};
  require(state.apply(header(), open).outcome.code == zkwire::Code::ok);
  require(state.apply(header(), create(sequence, "/bench")).outcome.code == zkwire::Code::ok);
  std::vector<znode::Command> commands;
  for (int i = 0; i < keys; ++i) {
    state.apply(header(), create(sequence, key(i)));
  }
  for (int i = 0; i < count; ++i) {
    zkwire::SetDataRequest request;
    request.path = key(i * 7);
    request.data = Bytes(data_size, static_cast<char>('a' + i % 26));
    commands.push_back(write(sequence, zkwire::OpCode::set_data, std::move(request)));
  }
  counting_begins();
  measured_znode_apply_set_data(&state, &commands);
  commands.clear();
  for (int i = 0; i < count; ++i) {
    commands.push_back(create(sequence, "/bench/new" + std::to_string(i)));
  }
  counting_begins();
  measured_znode_apply_create(&state, &commands);
}

void storage_cases(int count) {
  sim::ManualDiskClock clock;
  sim::SimDisk disk(clock, 1);
  auto opened = storage::Log::open(disk, "log", {}, 1);
  require(opened.ok() && opened->log != nullptr);
  counting_begins();
  measured_storage_append(opened->log.get(), count);
}

}  // namespace

void coordination_cases(int count) {
  wire_cases(count);
  znode_cases(count);
  storage_cases(count);
  Ensemble ensemble;
  const std::uint64_t before = ensemble.chosen();
  counting_begins();
  measured_paxos_write_of_three(&ensemble, count);
  require(ensemble.chosen() + 1 >= before + static_cast<std::uint64_t>(count));
}

}  // namespace synod::bench
