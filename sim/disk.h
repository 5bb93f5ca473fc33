// A disk that loses everything a real one may lose, from a seed.
//
// Model   A file is an image of 4 KiB pages; a directory is a table of names; each has the state
//         that readers see and the state that the medium holds. Changes lie in a list between the
//         two, with the time they were made, until a flush (or sync_directory) of theirs has ended.
//         power_cut() keeps any subset of what lies there: of a file by units of 512 bytes or
//         4 KiB, of its sizes and of the names singly, an earlier change lost and a later one kept
//         among them. A rename inside one directory is atomic; across two, each half is on its
//         own. A flush of a file says nothing about its name.
// Time    A call moves the clock of the Lane that makes it. What a Lane did after the moment at
//         which its process ended did not happen: end_process() and power_cut() take that moment.
// Source  "All file systems are not created equal" (OSDI 2014) for what is lost; "Can applications
//         recover from fsync failures?" (ATC 2020) for what a failed flush leaves: readers see the
//         new bytes, the medium may never.
// Threads One thread, as everything in sim.
// Memory  The DiskClock outlives the disk, the disk its Files and locks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/prng.h"
#include "ports/disk.h"
#include "sim/image.h"

namespace synod::sim {

// The time of whoever calls, and who it is.
class DiskClock {
 public:
  virtual ~DiskClock() = default;
  // Where the calling Lane stands.
  virtual Instant now() const = 0;
  // No process will end before this moment: what ended by then is certain. At most now().
  virtual Instant settled() const = 0;
  virtual void spend(Duration span) = 0;
  // The process that calls; 0 outside any.
  virtual std::uint64_t owner() const = 0;
};

// For tests without a World: one process, one clock.
class ManualDiskClock final : public DiskClock {
 public:
  Instant now() const override { return now_; }
  Instant settled() const override { return now_; }
  void spend(Duration span) override { now_ = now_ + span; }
  std::uint64_t owner() const override { return owner_; }
  void set_owner(std::uint64_t owner) { owner_ = owner; }

 private:
  Instant now_;
  std::uint64_t owner_ = 1;
};

// What goes wrong while the power is on. Chances are "once in n"; 0 is never. May be changed at any
// time.
struct DiskFaults {
  std::uint64_t flush_fails_once_in = 0;  // EIO; a subset of the unflushed reaches the medium
  std::uint64_t read_fails_once_in = 0;   // EIO
  std::uint64_t write_fails_once_in = 0;  // EIO; nothing is written
  std::uint64_t misdirects_once_in = 0;   // the write lands elsewhere in the file's medium
  std::uint64_t drops_write_once_in = 0;  // the medium never gets it, the flush says yes
  std::int64_t slowness = 1;              // multiplies every latency
};

struct DiskOptions {
  std::uint64_t capacity_bytes = std::uint64_t{1} << 40;
  Duration call_latency = Duration::micros(3);
  Duration flush_latency_min = Duration::micros(60);
  Duration flush_latency_max = Duration::micros(900);
};

class SimDisk final : public ports::Disk {
 public:
  SimDisk(DiskClock& clock, std::uint64_t seed, DiskOptions options = {});
  ~SimDisk() override;

  // ports::Disk
  Result<std::unique_ptr<ports::File>> open(const std::string& path, ports::OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Status remove_tree(const std::string& path) override;
  Result<ports::Space> space(const std::string& path) override;
  Result<std::unique_ptr<ports::DirectoryLock>> lock(const std::string& path) override;

  // --- faults
  DiskFaults& faults() { return faults_; }
  void set_capacity(std::uint64_t bytes) { options_.capacity_bytes = bytes; }

  // The host loses its power at `at`: unflushed things are kept or lost by the seed, every File and
  // lock of before is dead, and the disk is ready for the next boot.
  void power_cut(Instant at);
  void power_cut() { power_cut(clock_.now()); }
  // The process ended at `at`: what it did later is undone, its locks are free; nothing that it had
  // written is lost, nothing becomes durable either.
  void end_process(std::uint64_t owner, Instant at);

  // Calls that change something, counted from 1: open that creates, write, flush, truncate, rename,
  // remove, sync, make, remove_tree.
  std::uint64_t operations() const { return operations_; }
  // The power goes inside that operation: it may or may not have been done. From then on every call
  // fails with io until power_cut() makes the disk ready again. `lost` is told at once, from within
  // the call. 0 disarms.
  void lose_power_at_operation(std::uint64_t operation, std::function<void()> lost = {});
  bool powered() const { return powered_; }

  // Damages the medium and what readers see, as decay does: flips one bit. False if the file is
  // absent or shorter.
  bool flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);
  // Flips a drawn bit of a drawn file that is not empty and whose path starts with the prefix;
  // returns where, or "" if there is none.
  std::string flip_any_bit(const std::string& prefix);
  // What readers would see in the files whose paths start so: for checkers. Costs no time.
  std::vector<std::pair<std::string, Bytes>> peek(const std::string& prefix) const;
  // Forgets everything: a new disk in the old one's place.
  void wipe();

  // Hash of all names and bytes as readers see them: for the run's digest.
  std::uint64_t digest() const;

 private:
  friend class SimFile;
  friend class SimDirectoryLock;
  struct Node;
  using NodePtr = std::shared_ptr<Node>;  // a File keeps its node after its name is gone
  struct FileChange;
  struct NameChange;
  struct Place;
  enum class Outcome { done, undone, no_power };

  Outcome begin_operation();
  Status begin_change(const std::string& what);
  void spend_call();
  void spend_flush();
  bool strikes(std::uint64_t once_in) { return once_in != 0 && prng_.chance(1, once_in); }

  NodePtr find(const std::string& path) const;
  Result<Place> find_parent(const std::string& path) const;
  void change_name(Node& directory, const std::string& name, NodePtr node, std::uint64_t group);
  Result<NodePtr> create(const std::string& path);

  Status write(Node& node, std::uint64_t offset, ByteView bytes);
  Status flush(Node& node);
  Status truncate(Node& node, std::uint64_t size);

  void settle_file(Node& node, Instant at);
  void settle_names(Node& node, Instant at);
  void settle_tree(Node& node, Instant at);
  void lose_subset(Node& node);
  void keep_subset(Node& node, const std::vector<FileChange>& changes);
  void cut_file(Node& node, Instant at);
  void cut_names(Node& node, Instant at);
  void cut_tree(Node& node, Instant at);
  void undo_after(Node& node, std::uint64_t owner, Instant at);
  std::uint64_t count_used(const Node& node) const;
  void collect_files(const Node& node, const std::string& path,
                     std::vector<std::string>& paths) const;

  DiskClock& clock_;
  Prng prng_;
  DiskOptions options_;
  DiskFaults faults_;
  NodePtr root_;
  std::uint64_t operations_ = 0;
  std::uint64_t lose_power_at_ = 0;
  std::function<void()> power_lost_;
  bool powered_ = true;
  Instant lost_at_;
  // Files of an earlier boot are dead.
  std::uint64_t boot_ = 1;
  std::uint64_t used_ = 0;
  std::uint64_t group_next_ = 1;
  // Drawn at each power cut: the unit in which writes are torn.
  std::size_t sector_size_ = 512;
};

}  // namespace synod::sim
