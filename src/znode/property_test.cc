// Random commands against a model that is too simple to be wrong: a flat map, copied for every
// multi. And snapshots taken slice by slice while writes go on, against a replica that stood still.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "znode/loader.h"
#include "znode/state.h"

namespace synod::znode {
namespace {

using zkwire::Code;
using zkwire::OpCode;

struct ModelNode {
  std::string data;
  std::int32_t version = 0;
  std::int32_t created = 0;  // children ever
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t pzxid = 0;
  std::int64_t owner = 0;
};

struct Model {
  std::map<std::string, ModelNode> nodes;
  std::int64_t zxid = 0;

  Model() {
    for (const char* path : {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}) {
      nodes[path] = {};
    }
  }

  static std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  std::size_t children(const std::string& path) const {
    std::size_t n = 0;
    for (const auto& entry : nodes) {
      n += entry.first != "/" && parent_of(entry.first) == path ? 1 : 0;
    }
    return n;
  }

  Code create(std::string& path, const std::string& data, std::int32_t flags,
              std::int64_t session) {
    const auto parent = nodes.find(parent_of(path));
    if (parent == nodes.end()) {
      return Code::no_node;
    }
    if ((flags & 2) != 0) {
      path += fmt::format("{:010}", parent->second.created);
    }
    if (nodes.count(path) != 0) {
      return Code::node_exists;
    }
    if (parent->second.owner != 0) {
      return Code::no_children_for_ephemerals;
    }
    nodes[path] = {data, 0, 0, zxid, zxid, zxid, (flags & 1) != 0 ? session : 0};
    ++parent->second.created;
    parent->second.pzxid = zxid;
    return Code::ok;
  }
  Code remove(const std::string& path, std::int32_t version) {
    if (path == "/") {
      return Code::bad_arguments;
    }
    const auto node = nodes.find(path);
    if (node == nodes.end()) {
      return Code::no_node;
    }
    if (version != -1 && version != node->second.version) {
      return Code::bad_version;
    }
    if (children(path) != 0) {
      return Code::not_empty;
    }
    nodes.erase(node);
    nodes[parent_of(path)].pzxid = zxid;
    return Code::ok;
  }
  Code set(const std::string& path, const std::string& data, std::int32_t version) {
    const auto node = nodes.find(path);
    if (node == nodes.end()) {
      return Code::no_node;
    }
    if (version != -1 && version != node->second.version) {
      return Code::bad_version;
    }
    node->second.data = data;
    ++node->second.version;
    node->second.mzxid = zxid;
    return Code::ok;
  }
  Code check(const std::string& path, std::int32_t version) const {
    const auto node = nodes.find(path);
    if (node == nodes.end()) {
      return Code::no_node;
    }
    return version == -1 || version == node->second.version ? Code::ok : Code::bad_version;
  }
  void end_session(std::int64_t session) {
    std::vector<std::string> doomed;
    for (const auto& entry : nodes) {
      if (entry.second.owner == session) {
        doomed.push_back(entry.first);
      }
    }
    for (const std::string& path : doomed) {
      nodes.erase(path);
      nodes[parent_of(path)].pzxid = zxid;
    }
  }
};

struct Step {
  int kind = 0;  // 0 create, 1 delete, 2 set, 3 check
  std::size_t path = 0;
  std::int32_t flags = 0;
  std::int32_t version = -1;
};

struct Move {
  int kind =
      0;  // 0 to 5: one step, 6 to 8: multi of the steps, 9: the session ends and a new comes
  std::size_t session = 0;
  std::vector<Step> steps;
};

const std::vector<std::string> paths = {"/a",   "/b",   "/a/x",      "/a/y",   "/a/x/1", "/b/z",
                                        "/a-b", "/a.b", "/b/z/deep", "/a/x/2", "/none",  "/none/c"};

rc::Gen<Step> any_step() {
  return rc::gen::build<Step>(
      rc::gen::set(&Step::kind, rc::gen::weightedElement<int>({{5, 0}, {2, 1}, {2, 2}, {1, 3}})),
      rc::gen::set(&Step::path, rc::gen::inRange<std::size_t>(0, paths.size())),
      rc::gen::set(&Step::flags,
                   rc::gen::weightedElement<std::int32_t>({{6, 0}, {1, 1}, {2, 2}, {1, 3}})),
      rc::gen::set(&Step::version,
                   rc::gen::weightedElement<std::int32_t>({{6, -1}, {2, 0}, {1, 1}})));
}

rc::Gen<Move> any_move() {
  return rc::gen::build<Move>(
      rc::gen::set(&Move::kind, rc::gen::inRange(0, 10)),
      rc::gen::set(&Move::session, rc::gen::inRange<std::size_t>(0, 2)),
      rc::gen::set(&Move::steps,
                   rc::gen::nonEmpty(rc::gen::container<std::vector<Step>>(any_step()))));
}

// Turns moves into commands for both sides and compares what they say.
class Duel {
 public:
  Duel() {
    begin_session(0);
    begin_session(1);
  }

  void make(const Move& move) {
    if (move.kind == 9) {
      apply(move.session, CloseSession{});
      model_.end_session(ids_[move.session]);
      begin_session(move.session);
      return;
    }
    const std::string data = fmt::format("d{}", ++data_);
    if (move.kind < 6) {
      single(move.session, move.steps.front(), data);
    } else {
      multi(move.session, move.steps, data);
    }
  }

  void compare() const {
    RC_ASSERT(state_.check() == "");
    RC_ASSERT(state_.tree().nodes() == model_.nodes.size());
    RC_ASSERT(state_.last_zxid().value() == model_.zxid);
    for (const auto& [path, expected] : model_.nodes) {
      const Node* node = state_.tree().find(path);
      RC_ASSERT(node != nullptr);
      const zkwire::Stat stat = node->stat();
      RC_ASSERT(node->data() == expected.data);
      RC_ASSERT(stat.version == expected.version);
      RC_ASSERT(stat.czxid == expected.czxid);
      RC_ASSERT(stat.mzxid == expected.mzxid);
      RC_ASSERT(stat.pzxid == expected.pzxid);
      RC_ASSERT(stat.ephemeral_owner == expected.owner);
      const auto children = static_cast<std::int32_t>(model_.children(path));
      RC_ASSERT(stat.num_children == children);
      RC_ASSERT(stat.cversion == 2 * expected.created - children);
    }
  }

  State& state() { return state_; }
  const std::vector<Command>& log() const { return log_; }
  static BatchHeader header() { return {WallTime{77}, RulesVersion(1), {}}; }

 private:
  void begin_session(std::size_t index) {
    ids_[index] = ++last_id_;
    next_[index] = Sequence(1);
    ++model_.zxid;
    const Command command{SessionId(ids_[index]), {}, {}, {}, CreateSession{1, 4000, "pw", 1}};
    log_.push_back(command);
    RC_ASSERT(state_.apply(header(), command).outcome.code == Code::ok);
  }

  Outcome apply(std::size_t index, CommandRequest request) {
    ++model_.zxid;
    const Command command{
        SessionId(ids_[index]), Generation(1), next_[index], {}, std::move(request)};
    next_[index] = next_[index].next();
    log_.push_back(command);
    const Outcome outcome = state_.apply(header(), command).outcome;
    RC_ASSERT(outcome.kind == Outcome::Kind::applied);
    // The same again changes nothing.
    const std::uint64_t digest = state_.digest();
    const Outcome again = state_.apply(header(), command).outcome;
    const bool repeat = again.kind == Outcome::Kind::repeat || again.kind == Outcome::Kind::moved;
    RC_ASSERT(repeat);
    RC_ASSERT(state_.digest() == digest);
    return outcome;
  }

  Code model_step(std::int64_t session, const Step& step, const std::string& data,
                  std::string& path) {
    switch (step.kind) {
      case 0: return model_.create(path, data, step.flags, session);
      case 1: return model_.remove(path, step.version);
      case 2: return model_.set(path, data, step.version);
      default: return model_.check(path, step.version);
    }
  }

  static zkwire::MultiPart part_of(const Step& step, const std::string& data) {
    const std::string& path = paths[step.path];
    switch (step.kind) {
      case 0:
        return {OpCode::create,
                zkwire::CreateRequest{path, data, zkwire::open_acl(), step.flags, -1}};
      case 1: return {OpCode::remove, zkwire::PathVersionRequest{path, step.version}};
      case 2: return {OpCode::set_data, zkwire::SetDataRequest{path, data, step.version}};
      default: return {OpCode::check, zkwire::PathVersionRequest{path, step.version}};
    }
  }

  void single(std::size_t index, const Step& step, const std::string& data) {
    if (step.kind == 3) {  // only inside a multi
      multi(index, {step}, data);
      return;
    }
    const zkwire::MultiPart part = part_of(step, data);
    ClientWrite write{part.type, {}};
    std::visit([&write](const auto& request) { write.request = request; }, part.request);
    const Outcome outcome = apply(index, write);
    std::string path = paths[step.path];
    RC_ASSERT(outcome.code == model_step(ids_[index], step, data, path));
    if (step.kind == 0 && outcome.code == Code::ok) {
      RC_ASSERT(std::get<zkwire::PathReply>(outcome.reply).path == path);
    }
  }

  void multi(std::size_t index, const std::vector<Step>& steps, const std::string& data) {
    zkwire::MultiRequest request;
    for (const Step& step : steps) {
      request.parts.push_back(part_of(step, data));
    }
    const Outcome outcome = apply(index, ClientWrite{OpCode::multi, request});
    const auto& results = std::get<zkwire::MultiReply>(outcome.reply).results;
    RC_ASSERT(results.size() == steps.size());
    const Model before = model_;
    std::vector<std::string> created;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::string path = paths[steps[i].path];
      const Code code = model_step(ids_[index], steps[i], data, path);
      if (code != Code::ok) {
        RC_ASSERT(results[i].code == code);
        model_ = before;
        for (std::size_t j = 0; j < i; ++j) {
          RC_ASSERT(results[j].code == Code::ok);
          RC_ASSERT(results[j].type == OpCode::error);
        }
        for (std::size_t j = i + 1; j < steps.size(); ++j) {
          RC_ASSERT(results[j].code == Code::runtime_inconsistency);
        }
        return;
      }
      created.push_back(steps[i].kind == 0 ? path : "");
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
      RC_ASSERT(results[i].code == Code::ok);
      RC_ASSERT(results[i].path == created[i]);
    }
  }

  State state_;
  Model model_;
  std::vector<Command> log_;
  std::int64_t ids_[2] = {0, 0};
  Sequence next_[2];
  std::int64_t last_id_ = 0x1000;
  int data_ = 0;
};

TEST(Property, AgreesWithAFlatModel) {
  EXPECT_TRUE(rc::check("replies, stats and counts are the model's", [] {
    Duel duel;
    for (const Move& move : *rc::gen::container<std::vector<Move>>(any_move())) {
      duel.make(move);
    }
    duel.compare();
  }));
}

TEST(Property, SnapshotWhileWritingIsThatOfItsBeginning) {
  EXPECT_TRUE(rc::check("slices joined are the state as it was", [] {
    const auto before = *rc::gen::container<std::vector<Move>>(any_move());
    const auto during = *rc::gen::container<std::vector<Move>>(any_move());
    const auto slice = *rc::gen::inRange<std::size_t>(1, 600);
    Duel duel;
    for (const Move& move : before) {
      duel.make(move);
    }
    State still;
    for (const Command& command : duel.log()) {
      (void)still.apply(Duel::header(), command);
    }
    RC_ASSERT(still.digest() == duel.state().digest());
    duel.state().begin_snapshot();
    Bytes bytes = duel.state().next_slice(slice);
    for (const Move& move : during) {
      duel.make(move);
      bytes += duel.state().snapshot_open() ? duel.state().next_slice(slice) : Bytes();
    }
    while (duel.state().snapshot_open()) {
      bytes += duel.state().next_slice(slice);
    }
    RC_ASSERT(bytes == still.snapshot());
    duel.compare();

    // Loading in pieces of any size gives the same state, which goes on like the original.
    Loader loader(State::Options{});
    for (std::size_t at = 0; at < bytes.size(); at += slice) {
      RC_ASSERT(loader.feed(ByteView(bytes).substr(at, slice)).ok());
    }
    Result<State> loaded = loader.finish();
    RC_ASSERT(loaded.ok());
    RC_ASSERT(loaded->check() == "");
    for (std::size_t i = 0; i < duel.log().size(); ++i) {
      (void)loaded->apply(Duel::header(), duel.log()[i]);  // repeats up to the snapshot
    }
    RC_ASSERT(loaded->snapshot() == duel.state().snapshot());
  }));
}

TEST(Property, DamagedSnapshotsLoadOrFailCleanly) {
  EXPECT_TRUE(rc::check("a Result for any bytes", [] {
    Duel duel;
    for (const Move& move : *rc::gen::container<std::vector<Move>>(any_move())) {
      duel.make(move);
    }
    Bytes bytes = duel.state().snapshot();
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    if (*rc::gen::arbitrary<bool>()) {
      bytes.resize(at);
    } else {
      bytes[at] = static_cast<char>(bytes[at] ^ *rc::gen::inRange(1, 256));
    }
    RC_ASSERT(!State::load(bytes).ok());
  }));
}

TEST(State, PlantedRepeatAppliesAForwardedWriteTwice) {
  const BatchHeader header = Duel::header();
  const Command session{SessionId(9), {}, {}, {}, CreateSession{1, 4000, "pw", 1}};
  const Command write{SessionId(9),
                      Generation(1),
                      Sequence(1),
                      {},
                      ClientWrite{OpCode::set_data, zkwire::SetDataRequest{"/", Bytes("x"), -1}}};
  for (const bool planted : {false, true}) {
    State state(State::Options{planted ? PlantedBug::repeat_forwarded_write : PlantedBug::none});
    (void)state.apply(header, session);
    (void)state.apply(header, write);
    (void)state.apply(header, write);
    EXPECT_EQ(state.tree().find("/")->version, planted ? 2 : 1);
  }
}

TEST(State, DeepNestingNeedsNoStack) {
  Tree tree;
  const zkwire::AclList open = zkwire::open_acl();
  Node* node = &tree.replace_root(NewNode{}, open);
  constexpr int depth = 300'000;
  for (int i = 0; i < depth; ++i) {
    node = &tree.append(*node, "/d", NewNode{}, open);
  }
  const Tree moved = std::move(tree);
  EXPECT_NE(moved.find("/d/d/d"), nullptr);
}

TEST(Batch, DecodersAreTotal) {
  EXPECT_TRUE(rc::check("any bytes give a batch or an error", [] {
    const Bytes good = encode_batch(
        Duel::header(),
        {encode_command(
             {SessionId(9),
              Generation(1),
              Sequence(1),
              {{"ip", "::1"}},
              ClientWrite{OpCode::create,
                          zkwire::CreateRequest{"/a", Bytes("x"), zkwire::open_acl(), 0, -1}}}),
         encode_command({SessionId(9), {}, {}, {}, CreateSession{1, 4000, "pw", 1}})});
    RC_ASSERT(decode_batch(good).ok());
    Bytes bytes = good;
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    if (*rc::gen::arbitrary<bool>()) {
      bytes.resize(at);
      RC_ASSERT(!decode_batch(bytes).ok());
    } else {
      bytes[at] = static_cast<char>(*rc::gen::inRange(0, 256));
      (void)decode_batch(bytes);
    }
  }));
}

}  // namespace
}  // namespace synod::znode
