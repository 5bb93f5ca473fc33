#include "master/overview.h"

#include <gtest/gtest.h>

#include "http/json.h"

namespace synod::master {
namespace {

class OverviewTest : public testing::Test {
 protected:
  OverviewTest() {
    self_.id = "m";
    self_.hostname = self_.ip = "127.0.0.1";
    self_.port = 5050;
    picture_.view = std::make_shared<core::View>(view_);
    picture_.elected_at = WallTime{50'520'000};  // 14:02 of the first day
    picture_.masters = {self_};
    Failover failover;
    failover.from = "127.0.0.1:5051";
    picture_.failover = failover;
  }

  http::Json page(const std::string& names) {
    const auto json = http::parse_json(
        cluster_page(picture_, self_, WallTime{60'000'000}, servers_, reports_, names_from(names)));
    EXPECT_TRUE(json.ok());
    return *json;
  }

  Identity self_;
  core::View view_;
  Picture picture_;
  std::vector<CoordinatorView> servers_;
  AgentReports reports_;
};

TEST_F(OverviewTest, health_is_one_sentence_in_the_names_that_people_use) {
  const http::Json json = page("m1=127.0.0.1:5050,m2=127.0.0.1:5051");
  EXPECT_EQ(json["health"]["text"].as_string(),
            "Attention: no agent has registered. m1 leads since 14:02 UTC, after m2 was silent");
  EXPECT_EQ(json["health"]["trouble"].as_string(), "no agent has registered");
  EXPECT_EQ(json["leader"]["name"].as_string(), "m1");
  EXPECT_EQ(json["masters"].items().front()["name"].as_string(), "m1");
  EXPECT_EQ(json["failover"]["from_name"].as_string(), "m2");
}

TEST_F(OverviewTest, an_address_without_a_name_stands_for_itself) {
  picture_.failover->died = true;
  const http::Json json = page("m2=127.0.0.1:5051,,x,=");
  EXPECT_EQ(json["leader"]["name"].as_string(), "127.0.0.1:5050");
  EXPECT_EQ(
      json["health"]["text"].as_string(),
      "Attention: no agent has registered. 127.0.0.1:5050 leads since 14:02 UTC, after m2 died");
}

}  // namespace
}  // namespace synod::master
