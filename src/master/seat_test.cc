// The Seat over a coordination service in memory; the Door is a list of what it heard.
#include "master/seat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "election/names.h"
#include "master/scheduler_calls.h"
#include "master/store_for_tests.h"
#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "resources/text.h"

namespace synod::master {
namespace {

using ::testing::HasSubstr;

class SeatTest : public testing::Test {
 protected:
  void make(PlantedBug planted = PlantedBug::none) {
    options_.zk.path = "/mesos";
    options_.zk_session_timeout = Duration::seconds(3);
    options_.planted = planted;
    Identity self;
    self.id = "m";
    self.hostname = self.ip = "127.0.0.1";
    self.port = 5050;
    ports::Sender<Parcel> door(lane_, [this](const Parcel& parcel) { heard_.push_back(*parcel); });
    seat_ = std::make_unique<Seat>(lane_, store_, options_, self, door,
                                   [this](const std::string& why) { fatal_ = why; });
  }

  void elect() {
    election::EpochRecord epoch;
    epoch.lineage = leadership_.lineage;
    epoch.epoch = leadership_.epoch;
    epoch.candidate_path = "/mesos/1";
    service_.nodes["/mesos.synod/epoch"] = {election::encode(epoch), 1};
    service_.nodes["/mesos/1"] = {};
    seat_->lead(leadership_, "/mesos/1", std::nullopt);
    lane_.run_for(Duration::seconds(1));
  }

  void tell(ToSeat message) {
    seat_->receive(std::move(message));
    lane_.run_for(Duration::millis(500));
  }

  void subscribe_framework(core::Stream stream, const std::string& id = "") {
    mesos::v1::FrameworkInfo info;
    info.set_user("u");
    info.set_name("n");
    core::Subscribe event;
    event.stream = stream;
    event.id.value = id;
    event.info = framework_info_of(info);
    tell(Opened{event});
  }

  void subscribe_agent(core::Stream stream, const std::string& id = "") {
    mesos::v1::AgentInfo description;
    description.set_hostname("h");
    core::AgentSubscribe event;
    event.stream = stream;
    event.id.value = id;
    event.info.hostname = "h";
    event.info.ip = "127.0.0.1";
    event.info.total = *resources::parse_resources("cpus:2;mem:1024");
    event.info.bytes = mesos::encode_protobuf(description);
    tell(Opened{event});
  }

  // The effects said so far that hold a body of that kind.
  template <typename To, typename Body>
  std::vector<Body> said() const {
    std::vector<Body> out;
    for (const ToDoor& message : heard_) {
      if (const auto* say = std::get_if<Say>(&message)) {
        for (const core::Effect& effect : say->effects) {
          const auto* to = std::get_if<To>(&effect);
          const auto* body = to == nullptr ? nullptr : std::get_if<Body>(&to->body);
          if (body != nullptr) {
            out.push_back(*body);
          }
        }
      }
    }
    return out;
  }

  Answer answer_to(ToSeat message) {
    heard_.clear();
    tell(std::move(message));
    for (const ToDoor& heard : heard_) {
      if (const auto* answer = std::get_if<Answer>(&heard)) {
        return *answer;
      }
    }
    ADD_FAILURE() << "no answer";
    return {};
  }

  std::shared_ptr<const Picture> picture() {
    heard_.clear();
    tell(WantPicture{});
    for (const ToDoor& heard : heard_) {
      if (const auto* made = std::get_if<NewPicture>(&heard)) {
        return made->picture;
      }
    }
    return nullptr;
  }

  StepLane lane_;
  Service service_;
  TestStore store_{lane_, service_};
  Options options_;
  core::Leadership leadership_{uuid_from_words(1, 2), MasterEpoch(4)};
  std::vector<ToDoor> heard_;
  std::string fatal_;
  std::unique_ptr<Seat> seat_;
};

TEST_F(SeatTest, before_it_leads_nothing_is_served) {
  make();
  EXPECT_EQ(answer_to(FrameworkCall{Exchange(1), {"f"}, core::Stream(1), std::nullopt}).status,
            503);
  EXPECT_EQ(answer_to(OperatorCall{Exchange(2), core::OperatorTeardown{{"f"}}}).status, 503);
}

TEST_F(SeatTest, an_agent_is_registered_once_the_registry_holds_it) {
  make();
  elect();
  ASSERT_TRUE(seat_->leading());
  subscribe_agent(core::Stream(1));
  const auto registered = said<core::ToAgent, core::Registered>();
  ASSERT_EQ(registered.size(), 1U);
  EXPECT_EQ(service_.nodes.count("/mesos.synod" + bucket_path(registered[0].agent)), 1U);
}

TEST_F(SeatTest, calls_are_answered_by_what_the_core_knows) {
  make();
  elect();
  subscribe_framework(core::Stream(1));
  const auto subscribed = said<core::ToFramework, core::Subscribed>();
  ASSERT_EQ(subscribed.size(), 1U);
  const core::FrameworkId id = subscribed[0].framework;
  auto status = [this](const core::FrameworkId& framework, core::Stream stream) {
    return answer_to(FrameworkCall{Exchange(9), framework, stream, std::nullopt}).status;
  };
  EXPECT_EQ(status(id, core::Stream(1)), 202);
  EXPECT_EQ(status(id, core::Stream()), 400);
  EXPECT_EQ(status(id, core::Stream(7)), 400);
  EXPECT_EQ(status({"unknown"}, core::Stream(1)), 400);
}

TEST_F(SeatTest, an_agent_of_another_epoch_is_told_to_come_again) {
  make();
  elect();
  subscribe_agent(core::Stream(1));
  AgentCall call{Exchange(1), core::Stream(1), leadership_, core::AgentPong{core::Stream(1), 1}};
  EXPECT_EQ(answer_to(call).status, 202);
  call.leadership->epoch = MasterEpoch(3);
  EXPECT_EQ(answer_to(call).status, 409);
  call.leadership = std::nullopt;
  EXPECT_EQ(answer_to(call).status, 409);
  call.leadership = leadership_;
  call.stream = core::Stream(5);
  EXPECT_EQ(answer_to(call).status, 409);
}

TEST_F(SeatTest, planted_skip_master_epoch_check_takes_calls_of_any_epoch) {
  make(PlantedBug::skip_master_epoch_check);
  elect();
  subscribe_agent(core::Stream(1));
  EXPECT_EQ(answer_to(AgentCall{Exchange(1), core::Stream(1), std::nullopt, std::nullopt}).status,
            202);
}

TEST_F(SeatTest, a_deposed_master_ends_and_falls_silent) {
  make();
  elect();
  service_.nodes.erase("/mesos/1");
  heard_.clear();
  subscribe_agent(core::Stream(1));
  EXPECT_THAT(fatal_, HasSubstr("another master"));
  EXPECT_TRUE((said<core::ToAgent, core::Registered>().empty()));
  const auto* last = std::get_if<Standing>(&heard_.back());
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->role, Standing::Role::following);
}

TEST_F(SeatTest, it_vouches_only_while_it_leads_and_for_the_future) {
  make();
  auto vouched = [this] {
    heard_.clear();
    seat_->vouch(lane_.now() + Duration::seconds(1));
    seat_->vouch(lane_.now());
    lane_.run_for(Duration::millis(1));
    return heard_.size();
  };
  EXPECT_EQ(vouched(), 0U);
  elect();
  EXPECT_EQ(vouched(), 1U);
}

TEST_F(SeatTest, the_failover_is_timed_until_agents_are_back_and_offers_flow) {
  make();
  elect();
  subscribe_agent(core::Stream(1));
  const core::AgentId agent = said<core::ToAgent, core::Registered>()[0].agent;
  EXPECT_FALSE(picture()->failover);
  seat_.reset();
  leadership_.epoch = leadership_.epoch.next();
  heard_.clear();
  make();
  seat_->predecessor(true);
  elect();
  auto failover = picture()->failover;
  ASSERT_TRUE(failover);
  EXPECT_EQ(failover->from, "127.0.0.1:5050");
  EXPECT_TRUE(failover->died);
  EXPECT_EQ(failover->agents, 1U);
  EXPECT_FALSE(failover->agents_back);
  subscribe_agent(core::Stream(1), agent.value);
  subscribe_framework(core::Stream(2));
  failover = picture()->failover;
  EXPECT_TRUE(failover->agents_back);
  EXPECT_TRUE(failover->first_offer);
  EXPECT_EQ(failover->back, 1U);
}

TEST_F(SeatTest, what_happened_is_kept_for_the_next_master) {
  make();
  elect();
  subscribe_agent(core::Stream(1));
  lane_.run_for(Duration::seconds(1));
  seat_.reset();
  make();
  elect();
  std::vector<std::string> kinds;
  for (const Happening& happening : picture()->happenings) {
    kinds.push_back(happening.kind);
  }
  EXPECT_EQ(kinds,
            (std::vector<std::string>{"master_elected", "agent_registered", "master_elected"}));
}

}  // namespace
}  // namespace synod::master
