// An optional value that lives on the heap: for what is seldom there and large when it is.
//
// Same meaning as std::optional<T>: copies are copies, equal values are equal, nothing is before
// something. One pointer wide.
#pragma once

#include <compare>
#include <memory>
#include <optional>
#include <utility>

namespace synod {

template <typename T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(std::nullopt_t) {}                                           // NOLINT: as std::optional
  Boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}  // NOLINT: as std::optional
  Boxed(const Boxed& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(const Boxed& other) {
    value_ = other ? std::make_unique<T>(*other) : nullptr;
    return *this;
  }
  Boxed& operator=(Boxed&&) noexcept = default;

  explicit operator bool() const { return value_ != nullptr; }
  bool has_value() const { return value_ != nullptr; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }
  void reset() { value_.reset(); }

  friend bool operator==(const Boxed& a, const Boxed& b) {
    return a && b ? *a == *b : a.has_value() == b.has_value();
  }
  friend std::strong_ordering operator<=>(const Boxed& a, const Boxed& b) {
    return a && b ? *a <=> *b : a.has_value() <=> b.has_value();
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace synod
