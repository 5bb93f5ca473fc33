#include "http/json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace synod::http {
namespace {

TEST(Json, reads_and_writes_compactly) {
  const char* text =
      R"({"a":[1,-2,18446744073709551615,1.5,1e300,true,false,null],"b":{"c":"x\"\\\n"},"d":{},"e":[]})";
  const auto parsed = parse_json(text);
  ASSERT_TRUE(parsed.ok()) << to_string(parsed.error());
  EXPECT_EQ(
      to_string(*parsed),
      R"({"a":[1,-2,18446744073709551615,1.5,1e+300,true,false,null],"b":{"c":"x\"\\\n"},"d":{},"e":[]})");
  EXPECT_EQ((*parsed)["b"]["c"].as_string(), "x\"\\\n");
  EXPECT_EQ(parsed->at_path("a.1")->as_int(), -2);
  EXPECT_EQ(parsed->at_path("a.99"), nullptr);
  EXPECT_EQ(parsed->at_path("b.c.d"), nullptr);
  EXPECT_EQ((*parsed)["nowhere"]["deeper"].as_int(7), 7);
}

TEST(Json, escapes_everything_outside_ascii) {
  EXPECT_EQ(json_quote("é\x01"), "\"\\u00e9\\u0001\"");
  EXPECT_EQ(json_quote("😀"), "\"\\ud83d\\ude00\"");
  EXPECT_EQ(json_quote("\x7f"), "\"\\u007f\"");
  // What is not UTF-8 is replaced, one character for each bad byte, and nothing breaks.
  EXPECT_EQ(json_quote("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
  EXPECT_EQ(json_quote("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
  EXPECT_EQ(parse_json("\"\\ud83d\\ude00\"")->as_string(), "😀");
}

TEST(Json, refuses_what_is_not_json) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":}", "nul", "1 2", "\"\xff\"", "'a'", "{a:1}",
                           "[1] x", "NaN", "\"\\ud83d\""}) {
    const auto parsed = parse_json(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::malformed) << text;
  }
}

TEST(Json, keeps_its_limits) {
  EXPECT_EQ(parse_json(std::string(100, '[') + std::string(100, ']')).error().code,
            ErrorCode::too_large);
  EXPECT_EQ(parse_json("[1,2,3]", {.depth_max = 4, .size_bytes_max = 6}).error().code,
            ErrorCode::too_large);
  EXPECT_TRUE(parse_json("[[[[1]]]]", {.depth_max = 4, .size_bytes_max = 60}).ok());
}

TEST(Json, reads_what_it_can_of_another_kind) {
  EXPECT_EQ(Json(3.0).as_int(), 3);
  EXPECT_EQ(Json(3.5).as_int(-1), -1);
  EXPECT_EQ(Json(1e30).as_int(-1), -1);
  EXPECT_EQ(Json(7).as_double(), 7.0);
  EXPECT_EQ(Json("7").as_int(-1), -1);
  EXPECT_EQ(Json(-7).as_unsigned(9), 9U);
  EXPECT_EQ(to_string(Json(2.0)), "2.0");
  EXPECT_EQ(to_string(Json(std::uint64_t{5})), "5");
  EXPECT_TRUE(parse_json(R"({"a":null})")->find("a") == nullptr);
  EXPECT_EQ((*parse_json(R"({"a":1,"a":2})"))["a"].as_int(), 2);
}

TEST(Json, is_built_in_the_order_of_writing) {
  Json document;
  document.set("z", 1).set("a", Json::array().push("x").push(Json()));
  document.set("z", Json::object({{"y", true}}));
  EXPECT_EQ(to_string(document), R"({"z":{"y":true},"a":["x",null]})");
  EXPECT_EQ(to_pretty_string(document),
            "{\n  \"z\": {\n    \"y\": true\n  },\n  \"a\": [\n    "
            "\"x\",\n    null\n  ]\n}");
}

rc::Gen<Json> any_json(int depth) {
  auto leaf = rc::gen::oneOf(
      rc::gen::just(Json()),
      rc::gen::map(rc::gen::arbitrary<bool>(), [](bool b) { return Json(b); }),
      rc::gen::map(rc::gen::arbitrary<std::int64_t>(), [](std::int64_t i) { return Json(i); }),
      rc::gen::map(rc::gen::arbitrary<double>(), [](double d) { return Json(d); }),
      rc::gen::map(rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127)),
                   [](std::string s) { return Json(std::move(s)); }));
  if (depth == 0) {
    return leaf;
  }
  return rc::gen::oneOf(
      leaf,
      rc::gen::map(rc::gen::container<std::vector<Json>>(any_json(depth - 1)),
                   [](std::vector<Json> items) { return Json(std::move(items)); }),
      rc::gen::map(rc::gen::container<std::vector<Json>>(any_json(depth - 1)),
                   [](const std::vector<Json>& items) {
                     Json object = Json::object();
                     for (std::size_t i = 0; i < items.size(); ++i) {
                       object.set("k" + std::to_string(i), items[i]);
                     }
                     return object;
                   }));
}

TEST(Json, what_is_written_reads_back_the_same) {
  EXPECT_TRUE(rc::check([] {
    const Json value = *rc::gen::resize(8, any_json(3));
    const auto compact = parse_json(to_string(value));
    RC_ASSERT(compact.ok());
    RC_ASSERT(*compact == value);
    const auto pretty = parse_json(to_pretty_string(value));
    RC_ASSERT(pretty.ok());
    RC_ASSERT(*pretty == value);
  }));
}

}  // namespace
}  // namespace synod::http
