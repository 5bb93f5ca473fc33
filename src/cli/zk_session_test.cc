#include "cli/zk_session.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace synod::cli {
namespace {

class ZkSession : public testing::Test {
 protected:
  ZkSession() {
    std::string name = (std::filesystem::temp_directory_path() / "synod_zk_XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    kept_.credentials = {SessionId(0x100000000000007), Bytes("\0\xff secret", 9)};
    kept_.server = "127.0.0.1:2181";
    kept_.timeout = Duration::seconds(30);
    kept_.used_at = WallTime{1'000'000};
  }
  ~ZkSession() override { std::filesystem::remove_all(directory_); }

  std::string file() const { return directory_ + "/zk.session"; }

  std::string directory_;
  KeptSession kept_;
};

TEST_F(ZkSession, the_next_command_takes_it_and_no_other_does) {
  keep_session(directory_, kept_);
  const auto taken = take_session(directory_, WallTime{1'005'000});
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->credentials.id, kept_.credentials.id);
  EXPECT_EQ(taken->credentials.password, kept_.credentials.password);
  EXPECT_EQ(taken->server, "127.0.0.1:2181");
  EXPECT_FALSE(take_session(directory_, WallTime{1'005'000}).has_value());
}

TEST_F(ZkSession, one_that_must_have_expired_is_left) {
  keep_session(directory_, kept_);
  EXPECT_FALSE(take_session(directory_, WallTime{1'029'500}).has_value());
  keep_session(directory_, kept_);
  EXPECT_FALSE(take_session(directory_, WallTime{999'000}).has_value()) << "the clock went back";
}

TEST_F(ZkSession, only_its_owner_reads_the_password) {
  keep_session(directory_, kept_);
  struct stat status {};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ZkSession, what_cannot_be_read_is_no_session) {
  std::ofstream(file()) << R"({"id": 7, "password": "zz", "timeout_ms": 30000})";
  EXPECT_FALSE(take_session(directory_, WallTime{1}).has_value());
  std::ofstream(file()) << "{";
  EXPECT_FALSE(take_session(directory_, WallTime{1}).has_value());
  EXPECT_FALSE(std::filesystem::exists(file()));
  keep_session("/nonexistent", kept_);  // nobody is told
}

}  // namespace
}  // namespace synod::cli
