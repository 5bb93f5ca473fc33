// A client that asks for more than it can be given: it always has hundreds of writes under way,
// some of them large. It is answered in order, or not at all; what others are answered is judged.
#pragma once

#include "base/prng.h"
#include "sim/coordination/client.h"

namespace synod::sim::coordination {

struct FloodOptions {
  ClientOptions client;
  std::size_t outstanding = 400;
  std::size_t large_bytes = 32 << 10;
  std::uint64_t large_once_in = 20;
};

class Flood final : public ClientListener {
 public:
  Flood(SimProcess& process, const FloodOptions& options);

  // Asks for nothing more. What is under way stays so.
  void stop() { stopped_ = true; }
  std::uint64_t answered() const { return answered_; }
  const std::vector<std::string>& complaints() const { return history_.complaints; }

 private:
  void on_ready() override;
  void on_reply(const Operation& operation) override;
  void fill();

  const FloodOptions options_;
  std::string path_;
  Prng prng_;
  History history_;  // nobody's
  std::uint64_t answered_ = 0;
  bool stopped_ = false;
  Client client_;
};

}  // namespace synod::sim::coordination
