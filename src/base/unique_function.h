// A callable that is moved, never copied: what a Lane runs. (std::move_only_function is C++23.)
//
// Memory: owns the callable, which may itself own move-only things such as a Stream.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace synod {

template <typename Signature>
class UniqueFunction;

template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;

  template <typename F>
  requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
      UniqueFunction(F&& f)  // NOLINT: implicit on purpose, as std::function
      : target_(std::make_unique<Model<std::decay_t<F>>>(std::forward<F>(f))) {}

  explicit operator bool() const { return target_ != nullptr; }

  // Precondition: not empty.
  R operator()(Args... args) {
    SYNOD_CHECK(target_ != nullptr);
    return target_->call(std::forward<Args>(args)...);
  }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual R call(Args... args) = 0;
  };
  template <typename F>
  struct Model final : Concept {
    explicit Model(F&& f) : function(std::move(f)) {}
    explicit Model(const F& f) : function(f) {}
    R call(Args... args) override { return function(std::forward<Args>(args)...); }
    F function;
  };

  std::unique_ptr<Concept> target_;
};

}  // namespace synod
