#include "sim/disk.h"

#include <gtest/gtest.h>

#include <set>

namespace synod::sim {
namespace {

using ports::OpenMode;

Bytes content(SimDisk& disk, const std::string& path) {
  auto bytes = ports::read_file(disk, path, 1 << 20);
  return bytes.ok() ? *bytes : "(" + std::string(to_string(bytes.error().code)) + ")";
}

void put(SimDisk& disk, const std::string& path, ByteView bytes) {
  auto file = disk.open(path, OpenMode::create);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(0, bytes).ok());
}

void put_flushed(SimDisk& disk, const std::string& path, ByteView bytes) {
  auto file = disk.open(path, OpenMode::create);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(0, bytes).ok());
  ASSERT_TRUE((*file)->flush().ok());
}

// Runs the case under many seeds and gathers what was found after the power cut.
template <typename Prepare>
std::set<Bytes> outcomes(const std::string& path, Prepare prepare) {
  std::set<Bytes> found;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ManualDiskClock clock;
    SimDisk disk(clock, seed);
    prepare(disk);
    disk.power_cut();
    found.insert(content(disk, path));
  }
  return found;
}

TEST(Disk, reads_what_was_written_before_any_flush) {
  ManualDiskClock clock;
  SimDisk disk(clock, 1);
  ASSERT_TRUE(disk.make_directories("/a/b").ok());
  put(disk, "/a/b/f", "hello");
  EXPECT_EQ(content(disk, "/a/b/f"), "hello");
  EXPECT_EQ(content(disk, "a//b/./f"), "hello");
  ASSERT_TRUE(disk.rename("/a/b/f", "/a/g").ok());
  EXPECT_EQ(content(disk, "/a/b/f"), "(not_found)");
  EXPECT_EQ(content(disk, "/a/g"), "hello");
  EXPECT_EQ(*disk.list("/a"), (std::vector<std::string>{"b", "g"}));
  EXPECT_GT(clock.now(), Instant());
}

TEST(Disk, flushed_and_named_survives) {
  EXPECT_EQ(outcomes("/f",
                     [](SimDisk& disk) {
                       put_flushed(disk, "/f", "hello");
                       ASSERT_TRUE(disk.sync_directory("/").ok());
                     }),
            std::set<Bytes>{"hello"});
}

TEST(Disk, a_flushed_file_may_lose_its_name) {
  EXPECT_EQ(outcomes("/f", [](SimDisk& disk) { put_flushed(disk, "/f", "hello"); }),
            (std::set<Bytes>{"hello", "(not_found)"}));
}

TEST(Disk, a_named_file_may_lose_its_bytes_or_its_size) {
  const auto found = outcomes("/f", [](SimDisk& disk) {
    put(disk, "/f", "hello");
    ASSERT_TRUE(disk.sync_directory("/").ok());
  });
  EXPECT_EQ(found, (std::set<Bytes>{"hello", "", Bytes(5, '\0')}));
}

TEST(Disk, a_later_sector_may_survive_an_earlier_one) {
  const Bytes before(1024, 'a');
  const auto found = outcomes("/f", [&](SimDisk& disk) {
    put_flushed(disk, "/f", before);
    ASSERT_TRUE(disk.sync_directory("/").ok());
    put(disk, "/f", Bytes(1024, 'b'));
  });
  EXPECT_TRUE(found.count(Bytes(512, 'a') + Bytes(512, 'b')));
  EXPECT_TRUE(found.count(Bytes(512, 'b') + Bytes(512, 'a')));
  EXPECT_TRUE(found.count(before));
  EXPECT_EQ(found.size(), 4u);
}

TEST(Disk, an_atomic_write_leaves_the_old_or_the_new) {
  const auto found = outcomes("/f", [](SimDisk& disk) {
    ASSERT_TRUE(ports::write_file_atomically(disk, "/f", "old").ok());
    auto file = disk.open("/f.new", OpenMode::create);
    ASSERT_TRUE((*file)->write_at(0, "new").ok());
    ASSERT_TRUE((*file)->flush().ok());
    ASSERT_TRUE(disk.rename("/f.new", "/f").ok());
  });
  EXPECT_EQ(found, (std::set<Bytes>{"old", "new"}));
}

TEST(Disk, a_removal_that_was_not_synced_may_come_back) {
  EXPECT_EQ(outcomes("/f",
                     [](SimDisk& disk) {
                       put_flushed(disk, "/f", "hello");
                       ASSERT_TRUE(disk.sync_directory("/").ok());
                       ASSERT_TRUE(disk.remove("/f").ok());
                     }),
            (std::set<Bytes>{"hello", "(not_found)"}));
}

TEST(Disk, power_goes_at_every_operation_in_turn) {
  int points = 0;
  for (std::uint64_t operation = 1;; ++operation) {
    ManualDiskClock clock;
    SimDisk disk(clock, operation);
    ASSERT_TRUE(ports::write_file_atomically(disk, "/f", "old").ok());
    bool told = false;
    disk.lose_power_at_operation(disk.operations() + operation, [&] { told = true; });
    const Status status = ports::write_file_atomically(disk, "/f", "new");
    if (disk.powered()) {
      EXPECT_TRUE(status.ok());
      break;
    }
    ++points;
    EXPECT_TRUE(told);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(content(disk, "/f"), "(io)");
    disk.power_cut();
    const Bytes found = content(disk, "/f");
    EXPECT_TRUE(found == "old" || found == "new") << found;
  }
  EXPECT_EQ(points, 6);  // create, truncate, write, flush, rename, sync_directory
}

TEST(Disk, files_of_before_a_power_cut_are_dead) {
  ManualDiskClock clock;
  SimDisk disk(clock, 1);
  auto file = disk.open("/f", OpenMode::create);
  ASSERT_TRUE(disk.sync_directory("/").ok());
  disk.power_cut();
  EXPECT_FALSE((*file)->write_at(0, "late").ok());
  EXPECT_EQ(content(disk, "/f"), "");
}

TEST(Disk, what_a_process_did_after_its_end_did_not_happen) {
  ManualDiskClock clock;
  SimDisk disk(clock, 1);
  put(disk, "/f", "before");
  const Instant end = clock.now();
  clock.spend(Duration::millis(1));
  put(disk, "/f", "after!");
  put(disk, "/g", "after");
  disk.end_process(clock.owner(), end);
  EXPECT_EQ(content(disk, "/f"), "before");
  EXPECT_EQ(content(disk, "/g"), "(not_found)");
}

TEST(Disk, a_failed_flush_leaves_readers_and_medium_apart) {
  bool differed = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ManualDiskClock clock;
    SimDisk disk(clock, seed);
    put_flushed(disk, "/f", "old");
    ASSERT_TRUE(disk.sync_directory("/").ok());
    auto file = disk.open("/f", OpenMode::write);
    ASSERT_TRUE((*file)->write_at(0, "new").ok());
    disk.faults().flush_fails_once_in = 1;
    EXPECT_EQ((*file)->flush().error().code, ErrorCode::io);
    disk.faults().flush_fails_once_in = 0;
    ASSERT_TRUE((*file)->flush().ok());
    EXPECT_EQ(content(disk, "/f"), "new");
    const Bytes medium = *(*file)->read_medium_at(0, 3);
    differed = differed || medium == "old";
    disk.power_cut();
    EXPECT_EQ(content(disk, "/f"), medium);
  }
  EXPECT_TRUE(differed);
}

// Where the Lane stands is ahead of what is certain for the world.
class EarlyClock final : public DiskClock {
 public:
  Instant now() const override { return now_; }
  Instant settled() const override { return {}; }
  void spend(Duration span) override { now_ = now_ + span; }
  std::uint64_t owner() const override { return 1; }

 private:
  Instant now_;
};

TEST(Disk, a_failed_flush_loses_nothing_that_an_earlier_one_covers) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EarlyClock clock;
    SimDisk disk(clock, seed);
    put_flushed(disk, "/f", "first");
    ASSERT_TRUE(disk.sync_directory("/").ok());
    auto file = disk.open("/f", OpenMode::write);
    ASSERT_TRUE((*file)->write_at(5, "second").ok());
    disk.faults().flush_fails_once_in = 1;
    ASSERT_FALSE((*file)->flush().ok());
    disk.power_cut();
    EXPECT_EQ(content(disk, "/f").substr(0, 5), "first");
  }
}

TEST(Disk, a_full_disk_says_so_and_takes_more_after_a_removal) {
  ManualDiskClock clock;
  SimDisk disk(clock, 1);
  put(disk, "/f", Bytes(1000, 'x'));
  disk.set_capacity(1500);
  auto file = disk.open("/g", OpenMode::create);
  EXPECT_EQ((*file)->write_at(0, Bytes(600, 'y')).error().code, ErrorCode::full);
  EXPECT_EQ(disk.space("/")->available_bytes, 500u);
  ASSERT_TRUE(disk.remove("/f").ok());
  EXPECT_TRUE((*file)->write_at(0, Bytes(600, 'y')).ok());
}

TEST(Disk, misdirected_and_dropped_writes_show_after_a_restart_only) {
  ManualDiskClock clock;
  SimDisk disk(clock, 3);
  put_flushed(disk, "/f", Bytes(3 * 4096, 'a'));
  ASSERT_TRUE(disk.sync_directory("/").ok());
  disk.faults().drops_write_once_in = 1;
  put_flushed(disk, "/f", "b");
  EXPECT_EQ(content(disk, "/f")[0], 'b');
  disk.power_cut();
  EXPECT_EQ(content(disk, "/f")[0], 'a');
}

TEST(Disk, a_lock_is_free_once_its_process_has_ended) {
  ManualDiskClock clock;
  SimDisk disk(clock, 1);
  ASSERT_TRUE(disk.make_directories("/w").ok());
  auto first = disk.lock("/w");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(disk.lock("/w").error().code, ErrorCode::busy);
  disk.end_process(clock.owner(), clock.now());
  EXPECT_TRUE(disk.lock("/w").ok());
}

TEST(Disk, same_seed_same_disk) {
  std::uint64_t digests[2];
  for (std::uint64_t& digest : digests) {
    ManualDiskClock clock;
    SimDisk disk(clock, 99);
    for (int i = 0; i < 20; ++i) {
      put(disk, "/f" + std::to_string(i), Bytes(3000, static_cast<char>('a' + i)));
    }
    disk.power_cut();
    digest = disk.digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace synod::sim
