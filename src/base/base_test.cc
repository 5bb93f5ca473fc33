#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/ids.h"
#include "base/lookup.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/unique_function.h"

namespace synod {
namespace {

TEST(Checksum, crc32c_has_the_check_value_of_its_specification) {
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(crc32c(0, "1234"), "56789"), 0xe3069283U);
}

TEST(Checksum, hash64_is_frozen) {
  EXPECT_EQ(hash64("", 0), hash64("", 0));
  EXPECT_NE(hash64("a", 0), hash64("b", 0));
  EXPECT_NE(hash64("a", 0), hash64("a", 1));
  EXPECT_NE(hash64(std::string(8, '\0')), hash64(std::string(9, '\0')));
}

TEST(Bytes, a_short_read_turns_the_reader_bad_for_good) {
  ByteWriter writer;
  writer.u32(7);
  writer.sized("abc");
  ByteReader good(writer.bytes());
  EXPECT_EQ(good.u32(), 7U);
  EXPECT_EQ(good.sized(), "abc");
  EXPECT_TRUE(good.done());

  ByteReader bad(ByteView(writer.bytes()).substr(0, 9));
  EXPECT_EQ(bad.u32(), 7U);
  EXPECT_EQ(bad.sized(), "");
  EXPECT_EQ(bad.u64(), 0U);
  EXPECT_FALSE(bad.ok());
}

Result<int> half(int n) {
  if (n % 2 != 0) {
    return Error{ErrorCode::invalid_argument, "odd"};
  }
  return n / 2;
}

Result<int> quarter(int n) {
  SYNOD_TRY_ASSIGN(const int h, half(n));
  return half(h);
}

TEST(Result, try_assign_returns_the_first_error) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_EQ(to_string(quarter(3).error()), "invalid_argument: odd");
}

TEST(Prng, same_seed_same_sequence_and_bounds_hold) {
  Prng a(1);
  Prng b(1);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(a.next(), b.next());
    EXPECT_LT(a.below(10), 10U);
    EXPECT_EQ(b.below(10) < 10, true);
    const auto x = a.between(-3, 3);
    EXPECT_EQ(x, b.between(-3, 3));
    EXPECT_TRUE(x >= -3 && x <= 3);
  }
}

TEST(Uuid, prints_version_four) {
  EXPECT_EQ(to_string(uuid_from_words(0x0123456789abcdefULL, 0xfedcba9876543210ULL)),
            "01234567-89ab-4def-bedc-ba9876543210");
}

TEST(UniqueFunction, owns_what_cannot_be_copied) {
  auto owned = std::make_unique<int>(5);
  UniqueFunction<int(int)> add([owned = std::move(owned)](int n) { return *owned + n; });
  UniqueFunction<int(int)> moved = std::move(add);
  EXPECT_EQ(moved(2), 7);
  EXPECT_FALSE(static_cast<bool>(add));  // NOLINT: a moved-from function is empty, by contract
}

TEST(Lookup, finds_inserts_and_erases) {
  Lookup<SessionId, std::string> table;
  EXPECT_TRUE(table.insert(SessionId(4), "four"));
  EXPECT_FALSE(table.insert(SessionId(4), "again"));
  EXPECT_EQ(*table.find(SessionId(4)), "four");
  EXPECT_TRUE(table.erase(SessionId(4)));
  EXPECT_EQ(table.find(SessionId(4)), nullptr);
}

}  // namespace
}  // namespace synod
