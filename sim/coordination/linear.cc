#include "sim/coordination/linear.h"

#include <algorithm>
#include <iterator>
#include <list>
#include <set>
#include <utility>

namespace synod::sim::coordination {
namespace {

struct Moment {
  std::size_t at = 0;
  bool call = false;
  std::size_t operation = 0;
};

class Search {
 public:
  Search(const std::vector<RegisterOp>& operations, std::string initial, std::size_t most)
      : operations_(operations),
        most_(most),
        done_(operations.size(), '0'),
        value_(std::move(initial)) {
    std::vector<Moment> moments;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      moments.push_back({operations[i].invoked, true, i});
      if (operations[i].completed != RegisterOp::never) {
        moments.push_back({operations[i].completed, false, i});
        ++left_;
      }
    }
    std::stable_sort(moments.begin(), moments.end(),
                     [](const Moment& a, const Moment& b) { return a.at < b.at; });
    moments_.assign(moments.begin(), moments.end());
  }

  // Takes operations one by one whose call stands before the first answer, and goes back from
  // where nothing can be taken.
  Linear run() {
    auto next = moments_.begin();
    while (left_ > 0) {
      const bool at_end = next == moments_.end();
      if (!at_end && next->call && fits(*next) && fresh(*next)) {
        if (tried_.size() > most_) {
          return Linear::undecided;
        }
        next = take(next);
      } else if (!at_end && next->call) {
        ++next;
      } else if (taken_.empty()) {
        return Linear::no;
      } else {
        next = give_back();
      }
    }
    return Linear::yes;
  }

 private:
  using Place = std::list<Moment>::iterator;
  struct Taken {
    std::list<Moment> call;
    Place before;  // what followed the call
    std::list<Moment> answer;
    Place behind;  // and the answer
    std::string value;
  };

  bool fits(const Moment& moment) const {
    const RegisterOp& operation = operations_[moment.operation];
    return operation.write || operation.value == value_;
  }

  bool fresh(const Moment& moment) {
    const RegisterOp& operation = operations_[moment.operation];
    done_[moment.operation] = '1';
    const bool inserted = tried_.emplace(done_, operation.write ? operation.value : value_).second;
    done_[moment.operation] = '0';
    return inserted;
  }

  // The answer goes first, so that `before` is a place that stays.
  Place take(Place call) {
    const std::size_t index = call->operation;
    Taken taken;
    taken.value = value_;
    auto answer = std::find_if(std::next(call), moments_.end(),
                               [index](const Moment& moment) { return moment.operation == index; });
    if (answer != moments_.end()) {
      taken.behind = std::next(answer);
      taken.answer.splice(taken.answer.begin(), moments_, answer);
      --left_;
    }
    taken.before = std::next(call);
    taken.call.splice(taken.call.begin(), moments_, call);
    done_[index] = '1';
    if (operations_[index].write) {
      value_ = operations_[index].value;
    }
    taken_.push_back(std::move(taken));
    return moments_.begin();
  }

  // Undoes the last one, in the other order, and returns what follows its call.
  Place give_back() {
    Taken taken = std::move(taken_.back());
    taken_.pop_back();
    const Place call = taken.call.begin();
    done_[call->operation] = '0';
    value_ = taken.value;
    moments_.splice(taken.before, taken.call);
    if (!taken.answer.empty()) {
      moments_.splice(taken.behind, taken.answer);
      ++left_;
    }
    return std::next(call);
  }

  const std::vector<RegisterOp>& operations_;
  std::size_t most_;
  std::list<Moment> moments_;
  std::size_t left_ = 0;  // answered ones that were not taken
  std::string done_;
  std::string value_;
  std::vector<Taken> taken_;
  std::set<std::pair<std::string, std::string>> tried_;
};

}  // namespace

Linear check_register(const std::vector<RegisterOp>& operations, const std::string& initial,
                      std::size_t configurations_max) {
  std::set<std::string> read;
  for (const RegisterOp& operation : operations) {
    if (!operation.write) {
      read.insert(operation.value);
    }
  }
  // What was never answered and never read may as well not have happened.
  std::vector<RegisterOp> kept;
  std::copy_if(operations.begin(), operations.end(), std::back_inserter(kept),
               [&read](const RegisterOp& operation) {
                 return operation.completed != RegisterOp::never ||
                        (operation.write && read.count(operation.value) != 0);
               });
  return Search(kept, initial, configurations_max).run();
}

}  // namespace synod::sim::coordination
