// Against a genuine Apache ZooKeeper.
#include <gtest/gtest.h>

#include "test/real/zookeeper.h"
#include "zkclient/client.h"

namespace synod::zkclient {
namespace {

using zkwire::Code;

class ApacheTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::ApacheZooKeeper::installed()) {
      GTEST_SKIP() << "Debian's package zookeeper is not installed";
    }
    ASSERT_TRUE(server.start());
    client = make();
    ASSERT_TRUE(real.eventually([&] { return client->state() == State::connected; }));
  }

  void TearDown() override {
    real.on_lane([this] {
      client.reset();
      other.reset();
    });
  }

  std::unique_ptr<Client> make(std::optional<Credentials> attach = {}) {
    std::unique_ptr<Client> made;
    real.on_lane([&] {
      ClientOptions options;
      options.connect = parse_connect_string(server.address()).value();
      options.session_timeout = Duration::seconds(2);
      options.attach = std::move(attach);
      made = std::make_unique<Client>(real.lane(), real.machine().network(), options, [](State) {});
    });
    return made;
  }

  // Asks on the Lane and waits for the answer.
  template <typename T>
  Answer<T> ask(const std::function<void(Done<T>)>& question) {
    std::optional<Answer<T>> answer;
    real.on_lane([&] { question([&](Answer<T> got) { answer = std::move(got); }); });
    EXPECT_TRUE(real.eventually([&] { return answer.has_value(); }));
    return std::move(*answer);
  }

  test::Real real;
  test::ApacheZooKeeper server{real};
  std::unique_ptr<Client> client;
  std::unique_ptr<Client> other;
};

TEST_F(ApacheTest, every_request_is_understood) {
  EXPECT_TRUE(ask<void>([&](auto done) { client->create_path("/a/b/c", done); }).ok());
  EXPECT_TRUE(ask<void>([&](auto done) { client->create_path("/a/b/c", done); }).ok());
  const auto created = ask<Created>(
      [&](auto done) { client->create("/a/s-", "data", CreateMode::ephemeral_sequential, done); });
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created->path, "/a/s-0000000001");
  const auto second =
      ask<Created>([&](auto done) { client->create2("/a/t", "", CreateMode::persistent, done); });
  EXPECT_EQ(second->stat.version, 0);
  EXPECT_NE(second->stat.czxid, 0);
  const auto data = ask<Data>([&](auto done) { client->get_data(created->path, nullptr, done); });
  EXPECT_EQ(data->data, "data");
  EXPECT_EQ(data->stat.ephemeral_owner, client->credentials().id.value());
  EXPECT_EQ(ask<zkwire::Stat>([&](auto done) { client->set_data("/a/t", "x", 0, done); })->version,
            1);
  EXPECT_EQ(
      ask<zkwire::Stat>([&](auto done) { client->set_data("/a/t", "x", 0, done); }).error().code,
      Code::bad_version);
  auto children = ask<Children>([&](auto done) { client->get_children("/a", nullptr, done); });
  std::sort(children->names.begin(), children->names.end());
  EXPECT_EQ(children->names, (std::vector<std::string>{"b", "s-0000000001", "t"}));
  EXPECT_EQ(children->stat.num_children, 3);
  using Exists = std::optional<zkwire::Stat>;
  EXPECT_FALSE(
      ask<Exists>([&](auto done) { client->exists("/none", nullptr, done); })->has_value());
  EXPECT_TRUE(ask<void>([&](auto done) { client->sync("/a", done); }).ok());
  EXPECT_EQ(ask<void>([&](auto done) { client->remove("/a", -1, done); }).error().code,
            Code::not_empty);
  using Acl = std::pair<zkwire::AclList, zkwire::Stat>;
  EXPECT_EQ(ask<Acl>([&](auto done) { client->get_acl("/a/t", done); })->first, zkwire::open_acl());
  EXPECT_TRUE(ask<void>([&](auto done) { client->add_auth({"digest", "u:p"}, done); }).ok());
  EXPECT_TRUE(ask<zkwire::Stat>([&](auto done) {
                client->set_acl("/a/t", {{zkwire::perm::all, {"auth", ""}}}, -1, done);
              }).ok());
  EXPECT_EQ(ask<Acl>([&](auto done) { client->get_acl("/a/t", done); })->first[0].id.scheme,
            "digest");
}

TEST_F(ApacheTest, a_multi_is_all_or_nothing) {
  using Results = std::vector<zkwire::MultiResult>;
  const auto good = ask<Results>([&](auto done) {
    client->multi({create_part("/m", "1", CreateMode::persistent),
                   create_part("/m/s-", "", CreateMode::persistent_sequential),
                   set_data_part("/m", "2", 0), check_part("/m", 1)},
                  done);
  });
  ASSERT_TRUE(good.ok());
  EXPECT_EQ((*good)[1].path, "/m/s-0000000000");
  EXPECT_EQ((*good)[2].stat.version, 1);
  const auto bad = ask<Results>([&](auto done) {
    client->multi({set_data_part("/m", "3", -1), check_part("/gone", -1), remove_part("/m", -1)},
                  done);
  });
  EXPECT_EQ(bad.error().code, Code::no_node);
  EXPECT_EQ(bad.error().part, 1U);
  EXPECT_EQ(ask<Data>([&](auto done) { client->get_data("/m", nullptr, done); })->data, "2");
}

TEST_F(ApacheTest, watches_survive_the_restart_of_the_server) {
  ASSERT_TRUE(ask<void>([&](auto done) { client->create_path("/w", done); }).ok());
  int fired = 0;
  ASSERT_TRUE(ask<Children>([&](auto done) {
                client->get_children(
                    "/w", [&](const auto&) { ++fired; }, done);
              }).ok());
  const SessionId session = client->credentials().id;
  server.kill();
  ASSERT_TRUE(real.eventually([&] { return client->state() == State::suspended; }));
  ASSERT_TRUE(server.start());
  ASSERT_TRUE(real.eventually([&] { return client->state() == State::connected; }));
  EXPECT_EQ(client->credentials().id, session);
  EXPECT_EQ(fired, 0);
  ASSERT_TRUE(ask<void>([&](auto done) { client->create_path("/w/child", done); }).ok());
  EXPECT_TRUE(real.eventually([&] { return fired == 1; }));
}

TEST_F(ApacheTest, a_session_can_be_attached_and_closed_from_elsewhere) {
  ASSERT_TRUE(ask<Created>([&](auto done) {
                client->create("/mine", "", CreateMode::ephemeral, done);
              }).ok());
  other = make(client->credentials());
  ASSERT_TRUE(real.eventually([&] { return other->state() == State::connected; }));
  EXPECT_TRUE(ask<void>([&](auto done) { other->close(done); }).ok());
  EXPECT_TRUE(real.eventually([&] { return client->state() == State::expired; }));
  other = make();
  using Exists = std::optional<zkwire::Stat>;
  EXPECT_FALSE(ask<Exists>([&](auto done) { other->exists("/mine", nullptr, done); })->has_value());
}

TEST_F(ApacheTest, an_idle_session_lives_on) {
  // Three timeouts long nothing but pings.
  bool later = false;
  real.on_lane([&] { real.lane().after(Duration::seconds(6), [&] { later = true; }); });
  ASSERT_TRUE(real.eventually([&] { return later; }));
  EXPECT_EQ(client->state(), State::connected);
  real.on_lane(
      [&] { EXPECT_LT(real.lane().now() - client->confirmed_at(), client->session_timeout()); });
}

}  // namespace
}  // namespace synod::zkclient
