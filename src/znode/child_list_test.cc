#include "znode/child_list.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "znode/node.h"

namespace synod::znode {
namespace {

NodePtr named(const std::string& name, std::int32_t version) {
  NewNode values;
  values.version = version;
  return Node::make(name, values);
}

std::map<std::string, std::int32_t> content(const ChildList& list) {
  std::map<std::string, std::int32_t> out;
  std::string last;
  for (ChildList::Place at; const Node* node = list.at(at); at = list.next(at)) {
    RC_ASSERT((out.empty() || node->name() > last));
    last = std::string(node->name());
    out.emplace(last, node->version);
  }
  return out;
}

// Names of a small space, so that lists grow over several chunks and shrink to nothing again.
TEST(ChildList, KeepsOrderAsAMapDoes) {
  EXPECT_TRUE(rc::check("any inserts, replacements and removals", [] {
    ChildList list;
    std::map<std::string, std::int32_t> model;
    const auto steps = *rc::gen::inRange(0, 3000);
    const bool growing = *rc::gen::arbitrary<bool>();
    std::uint64_t state = *rc::gen::arbitrary<std::uint64_t>();
    for (std::int32_t step = 0; step < steps; ++step) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      const std::string name = std::to_string(state >> 33 & (growing ? 0xffff : 0x1ff));
      const bool known = model.count(name) != 0;
      RC_ASSERT((list.find(name) != nullptr) == known);
      if (!known) {
        list.insert(named(name, step));
        model.emplace(name, step);
      } else if ((state >> 20 & 3) == 0) {
        RC_ASSERT(list.replace(named(name, step))->version == model[name]);
        model[name] = step;
      } else {
        RC_ASSERT(list.extract(name)->version == model[name]);
        model.erase(name);
      }
      RC_ASSERT(list.size() == model.size());
      const auto above = model.lower_bound(name);
      const Node* found = list.at(list.lower_bound(name));
      RC_ASSERT((found == nullptr) == (above == model.end()));
      if (found != nullptr) {
        RC_ASSERT(found->name() == above->first);
      }
    }
    RC_ASSERT(content(list) == model);
  }));
}

TEST(ChildList, NamesThatRiseFillChunks) {
  ChildList list;
  for (int i = 0; i < 10'000; ++i) {
    list.insert(named(std::to_string(1'000'000 + i), i));
  }
  EXPECT_EQ(list.lower_bound("").chunk, 0U);
  EXPECT_EQ(list.lower_bound("1009999").chunk, 10'000 / ChildList::chunk_max);
}

TEST(Node, NameAndDataStandBehindIt) {
  NewNode values;
  values.data = Bytes("data");
  values.czxid = values.pzxid = 7;
  NodePtr node = Node::make("name", values);
  EXPECT_EQ(node->name(), "name");
  EXPECT_EQ(node->data(), "data");
  EXPECT_EQ(node->pzxid(), 7);
  node->below().pzxid = 9;
  node->overwrite("DATA");
  const NodePtr longer = Node::make_from(*node, Bytes("much longer data"));
  EXPECT_EQ(longer->name(), "name");
  EXPECT_EQ(longer->data(), "much longer data");
  EXPECT_EQ(longer->pzxid(), 9);
  EXPECT_EQ(node->pzxid(), 7);
  const NodePtr none = Node::make_from(*longer, std::nullopt);
  EXPECT_TRUE(none->data_null());
  EXPECT_EQ(none->data(), "");
}

}  // namespace
}  // namespace synod::znode
