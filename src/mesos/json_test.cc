#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "mesos/base64.h"
#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "mesos/v1/scheduler.pb.h"

namespace synod::mesos {
namespace {

using ::testing::HasSubstr;

TEST(JsonNumber, has_the_shortest_digits_and_whole_ones_a_point) {
  EXPECT_EQ(json_number(2), "2.0");
  EXPECT_EQ(json_number(0), "0.0");
  EXPECT_EQ(json_number(-1.5), "-1.5");
  EXPECT_EQ(json_number(0.1), "0.1");
  EXPECT_EQ(json_number(0.001), "0.001");
  EXPECT_EQ(json_number(1.5e30), "1.5e30");
  EXPECT_EQ(json_number(1e-9), "1e-9");
  EXPECT_EQ(json_number(1481912345.123456), "1481912345.123456");
  EXPECT_EQ(json_number(123456789012345680.0), "123456789012345680.0");
  EXPECT_EQ(json_number(std::numeric_limits<double>::infinity()), "Infinity");
}

TEST(JsonString, is_ascii_on_one_line) {
  std::string out;
  append_json_string(out, "a\"\\\n\x01\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\\u00e9\\ud83d\\ude00\"");
  out.clear();
  append_json_string(out, "\xff\xc3");
  EXPECT_EQ(out, "\"\\ufffd\\ufffd\"");
}

TEST(JsonRead, reads_what_the_writer_wrote) {
  auto value = parse_json(R"( {"a":[1,-2.5e3,"\u00e9\ud83d\ude00\n",true,null],"b":{}} )");
  ASSERT_TRUE(value.ok());
  const JsonValue* a = value->find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->items.size(), 5U);
  EXPECT_EQ(a->items[1].text, "-2.5e3");
  EXPECT_EQ(a->items[2].text, "\xc3\xa9\xf0\x9f\x98\x80\n");
}

TEST(JsonRead, refuses_what_is_no_json) {
  for (const char* text :
       {"",         "{",      "[1,]", "{\"a\" 1}", "{a:1}",     "01",          "1.",
        "1e",       "-",      "tru",  "\"\x01\"",  "\"\\x\"",   "\"\\ud800\"", "\"\\udc00\"",
        "\"\xff\"", "\"open", "1 2",  "{} x",      "\"\\u12\"", "nan"}) {
    EXPECT_FALSE(parse_json(text).ok()) << text;
  }
  EXPECT_FALSE(parse_json(std::string(200'000, '[')).ok());
}

TEST(JsonMessage, writes_defaults_omits_the_rest_and_keeps_the_declared_order) {
  v1::FrameworkInfo info;
  info.set_name("n");
  info.set_user("u");
  EXPECT_EQ(to_json(info), R"({"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false})");
  info.set_role("*");
  info.add_capabilities()->set_type(v1::FrameworkInfo::Capability::MULTI_ROLE);
  EXPECT_EQ(to_json(info),
            R"({"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false,"role":"*",)"
            R"("capabilities":[{"type":"MULTI_ROLE"}]})");
}

TEST(JsonMessage, golden_offer) {
  v1::scheduler::Event event;
  event.set_type(v1::scheduler::Event::OFFERS);
  auto* offer = event.mutable_offers()->add_offers();
  offer->mutable_id()->set_value("m-O1");
  offer->mutable_framework_id()->set_value("m-0000");
  offer->mutable_agent_id()->set_value("m-S0");
  offer->set_hostname("h\xc3\xb6st");
  auto* cpus = offer->add_resources();
  cpus->set_name("cpus");
  cpus->set_type(v1::Value::SCALAR);
  cpus->mutable_scalar()->set_value(1.5);
  cpus->mutable_allocation_info()->set_role("*");
  auto* ports = offer->add_resources();
  ports->set_name("ports");
  ports->set_type(v1::Value::RANGES);
  auto* range = ports->mutable_ranges()->add_range();
  range->set_begin(31000);
  range->set_end(18446744073709551615U);
  EXPECT_EQ(
      to_json(event),
      R"({"type":"OFFERS","offers":{"offers":[{"id":{"value":"m-O1"},"framework_id":{"value":)"
      R"("m-0000"},"agent_id":{"value":"m-S0"},"hostname":"h\u00f6st","resources":[{"name":"cpus",)"
      R"("type":"SCALAR","scalar":{"value":1.5},"allocation_info":{"role":"*"}},{"name":"ports",)"
      R"("type":"RANGES","ranges":{"range":[{"begin":31000,"end":18446744073709551615}]}}]}]}})");
}

TEST(JsonMessage, reads_what_clients_send) {
  v1::scheduler::Call call;
  auto read = from_json(
      R"({"framework_id":null,"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u",)"
      R"("name":"caf\u00e9","failover_timeout":"1e2","checkpoint":"true","roles":"a","unknown":{},)"
      R"("capabilities":[{"type":"LATER_VERSION"},{"type":"MULTI_ROLE"}],"labels":{"labels":[]}},)"
      R"("suppressed_roles":null,"offer_constraints":{"role_constraints":{"a":{"groups":[)"
      R"({"attribute_constraints":{"selector":{"pseudoattribute_type":"ZONE",)"
      R"("attribute_name":"x"},)"
      R"("predicate":{"exists":{}}}}]}}}}})",
      call);
  ASSERT_TRUE(read.ok()) << to_string(read.error());
  const auto& info = call.subscribe().framework_info();
  EXPECT_FALSE(call.has_framework_id());
  EXPECT_EQ(info.name(), "caf\xc3\xa9");
  EXPECT_EQ(info.failover_timeout(), 100.0);
  EXPECT_TRUE(info.checkpoint());
  ASSERT_EQ(info.roles_size(), 1);
  ASSERT_EQ(info.capabilities_size(), 2);
  EXPECT_FALSE(info.capabilities(0).has_type());
  const auto& groups = call.subscribe().offer_constraints().role_constraints().at("a").groups(0);
  EXPECT_EQ(groups.attribute_constraints(0).selector().attribute_name(), "x");
}

TEST(JsonMessage, refuses_with_the_place_of_the_fault) {
  v1::scheduler::Call call;
  auto message = [&call](const char* text) {
    call.Clear();
    auto read = from_json(text, call);
    return read.ok() ? std::string("accepted") : read.error().message;
  };
  EXPECT_THAT(message("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(message(R"({"type":1})"), HasSubstr("Call.type"));
  EXPECT_THAT(message(R"({"framework_id":{}})"), HasSubstr("framework_id.value"));
  EXPECT_THAT(message(R"({"framework_id":{"value":1}})"), HasSubstr("expected a string"));
  EXPECT_THAT(message(R"({"acknowledge":{"uuid":"?"}})"), HasSubstr("base64"));
  EXPECT_THAT(message(R"({"subscribe":{"framework_info":{"failover_timeout":"nan"}}})"),
              HasSubstr("failover_timeout"));
}

TEST(JsonMessage, integers_are_whole_and_in_range) {
  v1::Port port;
  auto accepts = [&port](const std::string& number) {
    port.Clear();
    return from_json(R"({"number":)" + number + "}", port).ok();
  };
  EXPECT_TRUE(accepts("4294967295"));
  EXPECT_TRUE(accepts("3.0"));
  EXPECT_TRUE(accepts("\"7\""));
  EXPECT_FALSE(accepts("4294967296"));
  EXPECT_FALSE(accepts("-1"));
  EXPECT_FALSE(accepts("1.5"));
  EXPECT_FALSE(accepts("1e300"));
}

TEST(JsonMessage, unknown_name_of_a_required_enum_is_an_error) {
  v1::Attribute attribute;
  EXPECT_FALSE(from_json(R"({"name":"a","type":"LATER"})", attribute).ok());
}

TEST(Encoding, of_headers) {
  EXPECT_EQ(encoding_of("application/json; charset=utf-8"), Encoding::json);
  EXPECT_EQ(encoding_of("application/x-protobuf"), Encoding::protobuf);
  EXPECT_EQ(encoding_of("text/plain"), std::nullopt);
  EXPECT_EQ(acceptable_encoding(""), Encoding::json);
  EXPECT_EQ(acceptable_encoding("*/*"), Encoding::json);
  EXPECT_EQ(acceptable_encoding("application/x-protobuf, application/json"), Encoding::json);
  EXPECT_EQ(acceptable_encoding("application/x-protobuf"), Encoding::protobuf);
  EXPECT_EQ(acceptable_encoding("text/html"), std::nullopt);
}

TEST(Encoding, protobuf_names_what_is_missing) {
  v1::scheduler::Call call;
  call.mutable_framework_id();
  v1::scheduler::Call read;
  auto status = decode(Encoding::protobuf, encode_protobuf(call), read);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("framework_id.value"));
  EXPECT_FALSE(decode(Encoding::protobuf, "\xff\xff", read).ok());
}

TEST(Base64, both_ways) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) {
    EXPECT_EQ(from_base64(to_base64(text)), text);
  }
  EXPECT_EQ(to_base64(std::string("\xfb\xff", 2)), "+/8=");
  EXPECT_EQ(from_base64("+/8"), std::string("\xfb\xff", 2));
  EXPECT_EQ(from_base64("A"), std::nullopt);
  EXPECT_EQ(from_base64("A-=="), std::nullopt);
}

}  // namespace
}  // namespace synod::mesos
