// Text forms and the algebra, by table and by property.
#include "resources/resources.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "resources/names.h"
#include "resources/role.h"
#include "resources/text.h"

namespace synod::resources {
namespace {

Resources parse(const std::string& text) {
  auto parsed = parse_resources(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? parsed.value() : Resources();
}

TEST(Text, what_is_read_is_written_the_same) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"cpus:45.55;mem:1024;ports:[10000-20000, 30000-50000];disk:512",
       "cpus:45.55;disk:512;mem:1024;ports:[10000-20000,30000-50000]"},
      {" cpus : 2 ; mem : 1024 ; ", "cpus:2;mem:1024"},
      {"cpus(role1):2;cpus:1", "cpus:1;cpus(role1):2"},
      {"cpus:1;cpus:0.5", "cpus:1.5"},
      {"ports:[1-2,3-4,6-7]", "ports:[1-4,6-7]"},
      {"ports:[1-10,5-20]", "ports:[1-20]"},
      {"ports:[1-18446744073709551615]", "ports:[1-18446744073709551615]"},
      {"things:{b, a}", "things:{a,b}"},
      {"cpus:0", ""},
      {"cpus:0.0004", ""},
      {"cpus:1.5125", "cpus:1.513"},
      {"cpus:.5", "cpus:0.5"},
      {"cpus(*):1", "cpus:1"},
      {"cpus(a/b):1", "cpus(a/b):1"},
      {"", ""},
  };
  for (const auto& [text, expected] : rows) {
    EXPECT_EQ(to_string(parse(text)), expected) << text;
  }
  EXPECT_EQ(to_string(parse_resources("cpus:1;mem(b):2", "a").value()), "cpus(a):1;mem(b):2");
  EXPECT_EQ(named_resources("cpus:0;mem:5").value(), (std::vector<std::string>{"cpus", "mem"}));
}

TEST(Text, malformed_resources_are_refused) {
  for (const std::string text : {"cpus",
                                 "cpus:",
                                 "cpus:x",
                                 "cpus:-1",
                                 "cpus:1e3",
                                 ":1",
                                 "cpus(role1:1",
                                 "cpus)role1(:1",
                                 "ports:[1-2",
                                 "ports:{1-2]",
                                 "ports:1-2]",
                                 "ports:[2-1]",
                                 "ports:[1]",
                                 "ports:[1-]",
                                 "ports:[1-99999999999999999999]",
                                 "things:{a,a}",
                                 "things:{a",
                                 "cpus:1;cpus:[1-2]",
                                 "cpus(a b):1",
                                 "cpus(/a):1",
                                 "cpus(a//b):1",
                                 "cpus(..):1",
                                 "cpus(-a):1",
                                 "gpus:0.5",
                                 "cpus:99999999999999999999",
                                 "[1-2]"}) {
    EXPECT_FALSE(parse_resources(text).ok()) << text;
  }
}

TEST(Text, attributes_are_typed_by_their_look) {
  const auto attributes = parse_attributes("rack:r1;zone:z-2:b;slots:[1-3];speed:2.5;os:{a,b}");
  ASSERT_TRUE(attributes.ok());
  EXPECT_EQ(to_string(attributes.value()), "rack:r1;zone:z-2:b;slots:[1-3];speed:2.5;os:{a,b}");
  EXPECT_EQ(attributes.value()[0].value.index(), 3u);
  EXPECT_EQ(attributes.value()[2].value.index(), 1u);
  EXPECT_EQ(attributes.value()[3].value.index(), 0u);
  EXPECT_FALSE(parse_attributes("rack").ok());
  EXPECT_FALSE(parse_attributes("rack:").ok());
  EXPECT_FALSE(parse_attributes(":x").ok());
}

TEST(Role, names_and_kin) {
  for (const std::string role : {"*", "a", "a/b", "eng-web", "a/b/c"}) {
    EXPECT_EQ(role_error(role), std::nullopt) << role;
  }
  for (const std::string role : {"", "/a", "a/", "a//b", ".", "a/..", "a/*", "-a", "a/-b", "a b"}) {
    EXPECT_NE(role_error(role), std::nullopt) << role;
  }
  EXPECT_TRUE(is_ancestor_role("a", "a/b"));
  EXPECT_FALSE(is_ancestor_role("a", "ab"));
  EXPECT_FALSE(is_ancestor_role("a", "a"));
  EXPECT_FALSE(is_ancestor_role("*", "a"));
}

Resource volume(const std::string& id, bool shared) {
  Resource made = scalar_resource("disk", 64'000);
  made.reservations = {{Reservation::Type::dynamic, "a", "p", {}}};
  made.disk = Disk{};
  made.disk->persistence = Persistence{id, "p"};
  made.shared = shared;
  return made;
}

TEST(Resources, exclusive_things_never_merge) {
  Resources bag;
  bag.add(volume("v1", false));
  bag.add(volume("v1", false));
  EXPECT_EQ(bag.size(), 2u);
  Resource smaller = volume("v1", false);
  smaller.value = Milli{1'000};
  EXPECT_FALSE(bag.contains(smaller));
  bag.subtract(smaller);
  EXPECT_EQ(bag.size(), 2u);
  bag.subtract(volume("v1", false));
  EXPECT_EQ(bag.size(), 1u);
  Resources two = bag;
  two.add(volume("v1", false));
  EXPECT_FALSE(bag.contains(two));
}

TEST(Resources, shared_volumes_are_counted_as_copies) {
  Resources bag;
  bag.add(volume("v1", true));
  bag.add(volume("v1", true));
  ASSERT_EQ(bag.size(), 1u);
  EXPECT_EQ(bag.items()[0].copies, 2u);
  EXPECT_EQ(bag.quantities().of("disk"), 64'000);
  bag.subtract(volume("v1", true));
  EXPECT_TRUE(bag.contains(volume("v1", true)));
  bag.subtract(volume("v1", true));
  EXPECT_TRUE(bag.empty());
}

TEST(Resources, reservations_and_revocable_amounts_stay_apart) {
  Resources bag = parse("cpus:2;cpus(a):1;cpus(a/b):4");
  Resource revocable = scalar_resource("cpus", 3'000);
  revocable.revocable = true;
  bag.add(revocable);
  EXPECT_EQ(to_string(bag), "cpus:2;cpus{REV}:3;cpus(a):1;cpus(a/b):4");
  EXPECT_EQ(to_string(bag.allocatable_to("a")), "cpus:2;cpus{REV}:3;cpus(a):1");
  EXPECT_EQ(bag.allocatable_to("a/b"), bag);
  EXPECT_EQ(to_string(bag.unreserved().nonrevocable()), "cpus:2");
  EXPECT_EQ(to_string(bag.revocable()), "cpus{REV}:3");
  EXPECT_EQ(to_string(bag.reserved()), "cpus(a):1;cpus(a/b):4");
  EXPECT_FALSE(bag.contains(parse("cpus:3")));
  EXPECT_EQ(bag.allocated_to("a").unallocated(), bag);
  EXPECT_FALSE(bag.contains(bag.allocated_to("a")));
}

TEST(Resources, what_may_not_exist_is_told) {
  Resource refined = scalar_resource("cpus", 1'000);
  refined.reservations = {{Reservation::Type::fixed, "a", "", {}},
                          {Reservation::Type::dynamic, "a/b", "", {}}};
  EXPECT_EQ(resource_error(refined), std::nullopt);
  refined.reservations[1].role = "c";
  EXPECT_NE(resource_error(refined), std::nullopt);
  refined.reservations[1] = {Reservation::Type::fixed, "a/b", "", {}};
  EXPECT_NE(resource_error(refined), std::nullopt);
  Resource unreserved = volume("v", false);
  unreserved.reservations.clear();
  EXPECT_NE(resource_error(unreserved), std::nullopt);
  Resource shared = scalar_resource("cpus", 1'000);
  shared.shared = true;
  EXPECT_NE(resource_error(shared), std::nullopt);
  EXPECT_NE(resource_error(scalar_resource("cpus", -1)), std::nullopt);
}

TEST(NameTable, names_are_counted_and_freed) {
  NameTable names;
  const NameId a = names.acquire("a");
  EXPECT_EQ(names.acquire("a"), a);
  names.release(a);
  EXPECT_EQ(names.text(a), "a");
  names.release(a);
  EXPECT_EQ(names.size(), 0u);
  EXPECT_EQ(names.find("a"), nullptr);
  EXPECT_EQ(names.acquire("b"), a);
}

// ---- properties

template <typename Property>
void holds(Property property) {
  EXPECT_TRUE(rc::check(property));
}

Resources draw() {
  static const std::vector<std::string> roles = {"", "(a)", "(a/b)"};
  std::string text;
  const auto words = *rc::gen::container<std::vector<std::uint32_t>>(
      *rc::gen::inRange(0, 6), rc::gen::arbitrary<std::uint32_t>());
  for (const std::uint32_t word : words) {
    const std::string role = roles[word % 3];
    const std::uint32_t low = (word >> 4) % 40;
    const std::uint32_t size = (word >> 10) % 20;
    if (word % 5 < 2) {
      text += "cpus" + role + ":" + std::to_string(low) + "." + std::to_string(size) + ";";
    } else if (word % 5 < 4) {
      text += "ports" + role + ":[" + std::to_string(low) + "-" + std::to_string(low + size) + "];";
    } else {
      text += "things" + role + ":{t" + std::to_string(low % 5) + "};";
    }
  }
  return parse(text);
}

TEST(Resources, adding_then_subtracting_disjoint_bags_gives_the_first_back) {
  holds([] {
    const Resources a = draw();
    const Resources b = draw() - intersect(draw(), a);
    // Ranges and sets are unions: only what a lacks comes out again.
    const Resources lacking = b - intersect(a, b);
    Resources scalars;
    for (const Resource& item : b) {
      if (item.is_scalar()) {
        scalars.add(item);
      }
    }
    RC_ASSERT((a + scalars) - scalars == a);
    RC_ASSERT((a + lacking).contains(a));
    RC_ASSERT((a + lacking).contains(lacking));
  });
}

TEST(Resources, sums_do_not_depend_on_order) {
  holds([] {
    const Resources a = draw();
    const Resources b = draw();
    const Resources c = draw();
    RC_ASSERT(a + b == b + a);
    RC_ASSERT((a + b) + c == a + (b + c));
    RC_ASSERT(parse(to_string(a)) == a);
    RC_ASSERT(digest(a + b) == digest(b + a));
  });
}

TEST(Resources, containing_means_that_taking_and_giving_back_changes_nothing) {
  holds([] {
    const Resources a = draw();
    const Resources b = draw();
    RC_ASSERT(a.contains(b) == ((a - b) + b == a && intersect(a, b) == b));
    RC_ASSERT(a.contains(intersect(a, b)));
    RC_ASSERT(b.contains(intersect(a, b)));
    RC_ASSERT(!(a - b).contains(b) || b.empty() || a.contains(b));
    for (const Resource& item : a - b) {
      RC_ASSERT(!is_empty(item.value));
    }
  });
}

TEST(Ranges, behave_as_sets_of_numbers) {
  const auto draw_ranges = [] {
    std::vector<Range> ranges;
    for (const std::uint32_t word : *rc::gen::arbitrary<std::vector<std::uint32_t>>()) {
      ranges.push_back({word % 60, word % 60 + (word >> 8) % 8});
    }
    return Ranges(ranges);
  };
  holds([&] {
    const Ranges a = draw_ranges();
    const Ranges b = draw_ranges();
    Ranges sum = a;
    sum.add(b);
    Ranges rest = a;
    rest.subtract(b);
    const Ranges both = intersect(a, b);
    std::uint64_t count = 0;
    for (std::uint64_t n = 0; n < 80; ++n) {
      RC_ASSERT(sum.contains(n) == (a.contains(n) || b.contains(n)));
      RC_ASSERT(rest.contains(n) == (a.contains(n) && !b.contains(n)));
      RC_ASSERT(both.contains(n) == (a.contains(n) && b.contains(n)));
      count += a.contains(n) ? 1 : 0;
    }
    RC_ASSERT(a.count() == count);
    RC_ASSERT(a.contains(b) == (both == b));
  });
}

TEST(Ranges, reach_to_the_last_number) {
  Ranges all{{0, UINT64_MAX}};
  EXPECT_EQ(all.count(), UINT64_MAX);
  all.subtract(Ranges{{5, UINT64_MAX}});
  EXPECT_EQ(to_string(all), "[0-4]");
  all.add(Ranges{{UINT64_MAX, UINT64_MAX}});
  EXPECT_TRUE(all.contains(UINT64_MAX));
}

TEST(Text, any_bytes_are_read_or_refused) {
  holds([](const std::string& bytes) {
    const auto parsed = parse_resources(bytes);
    if (parsed.ok()) {
      RC_ASSERT(parse_resources(to_string(parsed.value())).value() == parsed.value());
    }
    (void)parse_attributes(bytes);
    (void)parse_quantities(bytes);
  });
}

}  // namespace
}  // namespace synod::resources
