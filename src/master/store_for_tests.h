// For tests: a Lane that runs when told to, and a coordination service in memory.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "master/store.h"
#include "ports/entropy.h"
#include "ports/lane.h"

namespace synod::master {

class NoLog : public Log {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view, std::string_view) override {}
};

class NoEntropy : public ports::Entropy {
 public:
  std::uint64_t next() override { return 4; }
};

// Runs what was posted, and timers in their order, when told to.
class StepLane : public ports::Lane {
 public:
  bool try_post(ports::Task task) override {
    after(Duration(), std::move(task));
    return true;
  }
  ports::TimerId after(Duration delay, ports::Task task) override {
    const ports::TimerId id(++made_);
    tasks_[{now_ + delay, id}] = std::move(task);
    return id;
  }
  void cancel(ports::TimerId timer) override {
    std::erase_if(tasks_, [timer](const auto& entry) { return entry.first.second == timer; });
  }
  Instant now() const override { return now_; }
  WallTime wall() const override { return {now_.millis()}; }
  Log& log() override { return log_; }
  ports::Entropy& entropy() override { return entropy_; }

  void run_for(Duration span) {
    const Instant end = now_ + span;
    while (!tasks_.empty() && tasks_.begin()->first.first <= end) {
      auto next = tasks_.extract(tasks_.begin());
      now_ = std::max(now_, next.key().first);
      next.mapped()();
    }
    now_ = end;
  }

 private:
  std::map<std::pair<Instant, ports::TimerId>, ports::Task> tasks_;
  Instant now_ = Instant::from_millis(1000);
  std::uint64_t made_ = 0;
  NoLog log_;
  NoEntropy entropy_;
};

// A coordination service in memory, shared by the stores of several masters.
struct Service {
  std::map<std::string, StoredNode> nodes;
  std::size_t writes = 0;

  Status write(const std::vector<StoreChange>& changes) {
    auto copy = nodes;
    for (const StoreChange& change : changes) {
      auto found = copy.find(change.path);
      if (change.kind == StoreChange::Kind::create) {
        if (found != copy.end()) {
          return Error{ErrorCode::busy, "node exists"};
        }
        copy[change.path] = {change.data, 0};
        continue;
      }
      if (found == copy.end()) {
        return Error{ErrorCode::not_found, change.path};
      }
      if (change.version != StoreChange::any_version && change.version != found->second.version) {
        return Error{ErrorCode::busy, "bad version"};
      }
      if (change.kind == StoreChange::Kind::set) {
        found->second = {change.data, found->second.version + 1};
      } else if (change.kind == StoreChange::Kind::remove) {
        copy.erase(found);
      }
    }
    nodes = std::move(copy);
    ++writes;
    return {};
  }
};

class TestStore : public Store {
 public:
  TestStore(ports::Lane& lane, Service& service) : lane_(lane), service_(service) {}

  // The next write is made, or not made, and its answer is lost.
  enum class Lose { nothing, answer, write };
  Lose lose = Lose::nothing;
  std::vector<std::string> log;

  void read(const std::string& path, std::function<void(Result<StoredNode>)> done) override {
    log.push_back("read " + path);
    lane_.after(Duration::millis(1), [this, path, done] {
      auto found = service_.nodes.find(path);
      if (found == service_.nodes.end()) {
        done(Error{ErrorCode::not_found, path});
      } else {
        done(found->second);
      }
    });
  }
  void children(const std::string& path,
                std::function<void(Result<std::vector<std::string>>)> done) override {
    lane_.after(Duration::millis(1), [this, path, done] {
      std::vector<std::string> names;
      for (const auto& node : service_.nodes) {
        if (node.first.compare(0, path.size() + 1, path + "/") == 0) {
          names.push_back(node.first.substr(path.size() + 1));
        }
      }
      done(names);
    });
  }
  void write(std::vector<StoreChange> changes, std::function<void(Status)> done) override {
    log.push_back("write " + changes.back().path);
    lane_.after(Duration::millis(1), [this, changes, done] {
      const Lose now = std::exchange(lose, Lose::nothing);
      Status made = now == Lose::write ? Status{} : service_.write(changes);
      done(now == Lose::nothing ? made : Status(Error{ErrorCode::closed, "connection lost"}));
    });
  }
  void sync(std::function<void(Status)> done) override {
    lane_.after(Duration::millis(1), [done] { done({}); });
  }

 private:
  ports::Lane& lane_;
  Service& service_;
};

}  // namespace synod::master
