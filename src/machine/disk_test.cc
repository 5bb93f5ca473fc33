#include "machine/disk.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/real/real.h"

namespace synod::machine {
namespace {

class DiskTest : public testing::Test {
 protected:
  std::string in(const std::string& name) const { return directory.path() + "/" + name; }
  std::unique_ptr<ports::File> open(const std::string& name, ports::OpenMode mode) {
    auto file = disk->open(in(name), mode);
    EXPECT_TRUE(file.ok()) << to_string(file.error());
    return std::move(file).value();
  }

  test::TemporaryDirectory directory;
  std::unique_ptr<ports::Disk> disk = make_disk();
};

TEST_F(DiskTest, a_file_reads_back_what_was_written_anywhere) {
  auto file = open("f", ports::OpenMode::create_new);
  ASSERT_TRUE(file->write_at(10'000, "tail").ok());
  ASSERT_TRUE(file->write_at(0, "head").ok());
  ASSERT_TRUE(file->flush().ok());
  EXPECT_EQ(*file->size(), 10'004U);
  EXPECT_EQ(*file->read_at(0, 4), "head");
  EXPECT_EQ(*file->read_at(4, 2), std::string(2, '\0'));
  EXPECT_EQ(*file->read_at(10'000, 100), "tail");  // shorter at the end
  EXPECT_EQ(*file->read_at(20'000, 100), "");
  ASSERT_TRUE(file->truncate(2).ok());
  EXPECT_EQ(*file->read_at(0, 100), "he");
}

TEST_F(DiskTest, the_medium_shows_what_was_flushed) {
  auto file = open("f", ports::OpenMode::create);
  ASSERT_TRUE(file->write_at(0, Bytes(5000, 'a') + Bytes(5000, 'b')).ok());
  ASSERT_TRUE(file->flush().ok());
  const auto read = file->read_medium_at(4998, 4);
  if (!read.ok()) {
    EXPECT_EQ(read.error().code, ErrorCode::unsupported);
    GTEST_SKIP() << "this file system has no direct reads";
  }
  EXPECT_EQ(*read, "aabb");
  EXPECT_EQ(file->read_medium_at(9999, 100).value(), "b");
  EXPECT_EQ(file->read_medium_at(50'000, 10).value(), "");
}

TEST_F(DiskTest, the_medium_is_read_whatever_the_file_is_called_by_now) {
  const auto file = open("spare", ports::OpenMode::create);
  ASSERT_TRUE(file->write_at(0, "kept").ok());
  ASSERT_TRUE(file->flush().ok());
  if (!file->read_medium_at(0, 4).ok()) {
    GTEST_SKIP() << "this file system has no direct reads";
  }
  ASSERT_TRUE(disk->rename(in("spare"), in("segment")).ok());
  EXPECT_EQ(file->read_medium_at(0, 4).value(), "kept");
  const auto next = open("spare", ports::OpenMode::create);
  ASSERT_TRUE(next->write_at(0, "other").ok());
  EXPECT_EQ(file->read_medium_at(0, 4).value(), "kept");
}

TEST_F(DiskTest, modes_mean_what_they_say) {
  EXPECT_EQ(disk->open(in("f"), ports::OpenMode::read).error().code, ErrorCode::not_found);
  EXPECT_EQ(disk->open(in("f"), ports::OpenMode::write).error().code, ErrorCode::not_found);
  (void)open("f", ports::OpenMode::create_new);
  EXPECT_EQ(disk->open(in("f"), ports::OpenMode::create_new).error().code,
            ErrorCode::already_exists);
  (void)open("f", ports::OpenMode::create);
  (void)open("f", ports::OpenMode::write);
}

TEST_F(DiskTest, directories_are_made_listed_and_removed_whole) {
  const std::string deep = in("a/b/c");
  ASSERT_TRUE(disk->make_directories(deep).ok());
  ASSERT_TRUE(disk->make_directories(deep + "/").ok());
  (void)open("a/b/z", ports::OpenMode::create);
  (void)open("a/b/m", ports::OpenMode::create);
  ASSERT_EQ(::symlink("/etc", in("a/link").c_str()), 0);
  EXPECT_EQ(*disk->list(in("a/b")), (std::vector<std::string>{"c", "m", "z"}));
  EXPECT_TRUE(disk->sync_directory(in("a/b")).ok());
  EXPECT_FALSE(disk->make_directories(in("a/b/m")).ok());
  EXPECT_TRUE(*disk->exists(in("a/b/m")));
  ASSERT_TRUE(disk->remove_tree(in("a")).ok());
  EXPECT_FALSE(*disk->exists(in("a")));
  EXPECT_TRUE(*disk->exists("/etc/passwd"));  // a link is removed, not followed
  EXPECT_TRUE(disk->remove_tree(in("a")).ok());
  EXPECT_EQ(disk->list(in("a")).error().code, ErrorCode::not_found);
}

TEST_F(DiskTest, an_atomic_write_replaces_the_whole_file) {
  ASSERT_TRUE(ports::write_file_atomically(*disk, in("f"), "first version").ok());
  ASSERT_TRUE(ports::write_file_atomically(*disk, in("f"), "second").ok());
  EXPECT_EQ(*ports::read_file(*disk, in("f"), 100), "second");
  EXPECT_EQ(*disk->list(directory.path()), std::vector<std::string>{"f"});
}

TEST_F(DiskTest, a_lock_keeps_other_processes_out_until_it_is_dropped) {
  auto lock = disk->lock(directory.path());
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(disk->lock(directory.path()).error().code, ErrorCode::busy);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto other = make_disk()->lock(directory.path());
    ::_exit(!other.ok() && other.error().code == ErrorCode::busy ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  lock->reset();
  EXPECT_TRUE(disk->lock(directory.path()).ok());
}

TEST_F(DiskTest, space_is_told) {
  const auto space = disk->space(directory.path());
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total_bytes, space->available_bytes);
}

}  // namespace
}  // namespace synod::machine
