// A queue for things that come in bursts and are mostly empty: one block of memory, none before the
// first item and none kept after a burst (a std::deque keeps 576 bytes when it holds nothing).
//
// Memory  Owns its items. References and iterators end with the next change.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace synod {

template <typename T>
class Fifo {
 public:
  bool empty() const { return head_ == items_.size(); }
  std::size_t size() const { return items_.size() - head_; }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  T& back() { return items_.back(); }
  const T& back() const { return items_.back(); }
  T& operator[](std::size_t i) { return items_[head_ + i]; }
  const T& operator[](std::size_t i) const { return items_[head_ + i]; }
  auto begin() { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  auto end() const { return items_.end(); }

  void push_back(T item) { items_.push_back(std::move(item)); }

  void pop_front() {
    items_[head_] = T();  // what it owned goes now
    ++head_;
    if (head_ == items_.size()) {
      clear();
    } else if (head_ >= gap_min && head_ >= items_.size() - head_) {
      // Each item is moved at most once for each that was taken: constant on average.
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }

  void clear() {
    items_.clear();
    head_ = 0;
    if (items_.capacity() * sizeof(T) > kept_bytes_max) {
      std::vector<T>().swap(items_);
    }
  }

 private:
  static constexpr std::size_t gap_min = 16;
  static constexpr std::size_t kept_bytes_max = 1024;

  std::vector<T> items_;
  std::size_t head_ = 0;
};

}  // namespace synod
