#include "coordinator/state_limit.h"

#include <variant>

namespace synod::coordinator {
namespace {

using zkwire::OpCode;

std::int64_t signed_size(std::uint64_t bytes) { return static_cast<std::int64_t>(bytes); }

std::int64_t size_of(const zkwire::AclList& list) {
  std::int64_t size = 0;
  for (const zkwire::Acl& acl : list) {
    size += signed_size(acl.id.scheme.size() + acl.id.id.size());
  }
  return size;
}

std::int64_t size_of(const zkwire::Buffer& data) {
  return data.has_value() ? signed_size(data->size()) : 0;
}

// What is there now; 0 if nothing is.
std::int64_t data_size(const znode::State& state, const std::string& path) {
  const znode::Node* node = state.tree().find(path);
  return node == nullptr ? 0 : signed_size(node->data().size());
}

struct Growth {
  const znode::State& state;
  OpCode op;

  // What is there already, or missing, fails as ever.
  std::int64_t operator()(const zkwire::CreateRequest& request) const {
    constexpr std::int32_t sequential = 2;
    if ((request.flags & sequential) == 0 && state.tree().find(request.path) != nullptr) {
      return 0;
    }
    return signed_size(znode::node_cost_bytes + request.path.size()) + size_of(request.data) +
           size_of(request.acl);
  }
  std::int64_t operator()(const zkwire::SetDataRequest& request) const {
    return state.tree().find(request.path) == nullptr
               ? 0
               : size_of(request.data) - data_size(state, request.path);
  }
  std::int64_t operator()(const zkwire::SetAclRequest& request) const {
    return size_of(request.acl);
  }
  std::int64_t operator()(const zkwire::PathVersionRequest& request) const {
    if (op != OpCode::remove || state.tree().find(request.path) == nullptr) {
      return 0;
    }
    return -signed_size(znode::node_cost_bytes + request.path.size()) -
           data_size(state, request.path);
  }
  std::int64_t operator()(const zkwire::MultiRequest& request) const {
    std::int64_t sum = 0;
    for (const zkwire::MultiPart& part : request.parts) {
      sum += std::visit(Growth{state, part.type}, part.request);
    }
    return sum;
  }
  template <typename Other>
  std::int64_t operator()(const Other&) const {
    return 0;
  }
};

}  // namespace

std::int64_t growth_of(const znode::State& state, const znode::ClientWrite& write) {
  return std::visit(Growth{state, write.op}, write.request);
}

}  // namespace synod::coordinator
