#include "translate/resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "translate/amounts.h"
#include "translate/attributes.h"

namespace synod::translate {
namespace {

using ::testing::HasSubstr;

std::string to_text(const std::string& json) {
  mesos::v1::Resource message;
  auto read = mesos::from_json(json, message);
  if (!read.ok()) {
    return read.error().message;
  }
  auto resource = resource_from(message);
  return resource.ok() ? resources::to_string(*resource) : resource.error().message;
}

std::string written(const std::string& text, Format format) {
  auto parsed = resources::parse_resources(text);
  ResourceMessages out;
  append_resources(*parsed, format, out);
  std::string json;
  for (const auto& message : out) {
    json += mesos::to_json(message);
  }
  return json;
}

TEST(Amounts, are_rounded_to_thousandths) {
  EXPECT_EQ(*milli_from_double(0.1), 100);
  EXPECT_EQ(*milli_from_double(1.5123), 1512);
  EXPECT_EQ(*milli_from_double(0.0004), 0);
  EXPECT_EQ(*milli_from_double(0.0005), 1);
  EXPECT_FALSE(milli_from_double(-0.1).ok());
  EXPECT_FALSE(milli_from_double(1.0 / 0.0).ok());
  EXPECT_FALSE(milli_from_double(1e300).ok());
  EXPECT_EQ(milli_to_double(1512), 1.512);
  resources::Milli sum = 0;
  for (int i = 0; i < 10; ++i) {
    sum += *milli_from_double(0.1);
  }
  EXPECT_EQ(milli_to_double(sum), 1.0);
}

TEST(Amounts, refuse_seconds_outside_the_range) {
  EXPECT_EQ(refusal_from_seconds(-1), Duration::seconds(5));
  EXPECT_EQ(refusal_from_seconds(0.0 / 0.0), Duration::seconds(5));
  EXPECT_EQ(refusal_from_seconds(0), Duration());
  EXPECT_EQ(refusal_from_seconds(0.25), Duration::millis(250));
  EXPECT_EQ(refusal_from_seconds(1e300), Duration::seconds(31'536'000));
}

TEST(ResourceFrom, reads_both_formats_of_reservation) {
  EXPECT_EQ(to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":2}})"), "cpus:2");
  EXPECT_EQ(to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":2},"role":"a"})"),
            to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":2},)"
                    R"("reservations":[{"type":"STATIC","role":"a"}]})"));
  EXPECT_EQ(to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":2},"role":"a",)"
                    R"("reservation":{"principal":"p"}})"),
            to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":2},)"
                    R"("reservations":[{"type":"DYNAMIC","role":"a","principal":"p"}]})"));
}

TEST(ResourceFrom, refuses_what_cannot_be) {
  EXPECT_THAT(to_text(R"({"name":"cpus","type":"RANGES","scalar":{"value":2}})"),
              HasSubstr("does not agree"));
  EXPECT_THAT(to_text(R"({"name":"cpus","type":"SCALAR"})"), HasSubstr("exactly one"));
  EXPECT_THAT(to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":-2}})"),
              HasSubstr("negative"));
  EXPECT_THAT(to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":2},"role":"a",)"
                      R"("reservations":[{"type":"STATIC","role":"a"}]})"),
              HasSubstr("both formats"));
  EXPECT_THAT(to_text(R"({"name":"cpus","type":"SCALAR","scalar":{"value":2},"reservation":{}})"),
              HasSubstr("'*'"));
  EXPECT_THAT(
      to_text(R"({"name":"ports","type":"RANGES","ranges":{"range":[{"begin":2,"end":1}]}})"),
      HasSubstr("before it begins"));
}

TEST(ResourceFrom, ranges_are_not_expanded) {
  EXPECT_EQ(to_text(R"({"name":"ports","type":"RANGES","ranges":{"range":[)"
                    R"({"begin":1,"end":18446744073709551615}]}})"),
            "ports:[1-18446744073709551615]");
}

TEST(ResourceTo, writes_the_format_of_the_reader) {
  EXPECT_EQ(written("cpus:1", Format::post_refinement),
            R"({"name":"cpus","type":"SCALAR","scalar":{"value":1.0}})");
  EXPECT_EQ(written("cpus:1", Format::pre_refinement),
            R"({"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"role":"*"})");
  EXPECT_EQ(written("cpus(a):1", Format::pre_refinement),
            R"({"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"role":"a"})");
  EXPECT_EQ(written("cpus(a):1", Format::endpoint),
            R"({"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"role":"a",)"
            R"("reservations":[{"type":"STATIC","role":"a"}]})");
}

TEST(ResourceTo, older_readers_never_see_refined_reservations) {
  resources::Resource refined = resources::scalar_resource("cpus", 1000);
  refined.reservations.push_back({resources::Reservation::Type::fixed, "a", "", {}});
  refined.reservations.push_back({resources::Reservation::Type::dynamic, "a/b", "p", {}});
  ResourceMessages out;
  append_resource(refined, Format::pre_refinement, out);
  EXPECT_EQ(out.size(), 0);
  append_resource(refined, Format::post_refinement, out);
  ASSERT_EQ(out.size(), 1);
  EXPECT_EQ(*resource_from(out[0]), refined);
}

TEST(ResourceTo, what_was_written_reads_the_same) {
  resources::Resource volume = resources::scalar_resource("disk", 64'000);
  volume.reservations.push_back(
      {resources::Reservation::Type::dynamic, "a", "p", {{"k", "v"}, {"only", std::nullopt}}});
  volume.disk = resources::Disk{};
  volume.disk->source = resources::DiskSource{};
  volume.disk->source->root = "/mnt";
  volume.disk->persistence = resources::Persistence{"id1", "p"};
  volume.disk->container_path = "data";
  volume.shared = true;
  volume.copies = 2;
  volume.allocation_role = "a";
  ResourceMessages out;
  append_resource(volume, Format::post_refinement, out);
  ASSERT_EQ(out.size(), 2);
  auto read = resources_from(out);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ(read->items()[0], volume);
}

TEST(ResourcesFlag, takes_text_and_json_and_refuses_what_is_not_for_the_command_line) {
  EXPECT_EQ(resources::to_string(*parse_resources_flag("cpus:2;mem:64")), "cpus:2;mem:64");
  EXPECT_EQ(resources::to_string(*parse_resources_flag(
                R"( [{"name":"cpus","type":"SCALAR","scalar":{"value":2}}] )", "a")),
            "cpus(a):2");
  EXPECT_FALSE(parse_resources_flag(R"([{"name":"cpus"}])").ok());
  EXPECT_FALSE(parse_resources_flag(
                   R"([{"name":"cpus","type":"SCALAR","scalar":{"value":2},"revocable":{}}])")
                   .ok());
}

TEST(Attributes, both_ways) {
  auto parsed = resources::parse_attributes("rack:r1;speed:2.5;slots:[1-3]");
  ASSERT_TRUE(parsed.ok());
  AttributeMessages out;
  append_attributes(*parsed, out);
  auto back = attributes_from(out);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, *parsed);
  out[0].clear_text();
  EXPECT_FALSE(attributes_from(out).ok());
}

}  // namespace
}  // namespace synod::translate
