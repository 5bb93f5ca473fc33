#include "znode/reads.h"

namespace synod::znode {
namespace {

using zkwire::Code;

ReadResult failed(Code code) { return {code, zkwire::EmptyReply{}}; }

bool may(const State& state, const Node& node, std::int32_t wanted, const Reader& reader) {
  // List 0 is the open one.
  return node.acl == 0 ||
         permits(*state.tree().acl_of(node), wanted, reader.identities, reader.switches);
}

// The node, or the code that says why it may not be read.
struct Found {
  const Node* node = nullptr;
  Code code = Code::ok;
};

Found find_readable(const State& state, std::string_view path, const Reader& reader) {
  const Node* node = state.tree().find(path);
  if (node == nullptr) {
    return {nullptr, Code::no_node};
  }
  if (!may(state, *node, zkwire::perm::read, reader)) {
    return {nullptr, Code::no_auth};
  }
  return {node, Code::ok};
}

std::vector<std::string> names_of(const Node& node) {
  std::vector<std::string> names;
  if (const ChildList* children = node.children(); children != nullptr) {
    names.reserve(children->size());
    for (ChildList::Place at; const Node* child = children->at(at); at = children->next(at)) {
      names.emplace_back(child->name());
    }
  }
  return names;
}

}  // namespace

ReadResult read_exists(const State& state, const std::string& path, const Reader& reader) {
  if (path.find('\0') != std::string::npos) {
    return failed(Code::bad_arguments);
  }
  const Found found = find_readable(state, path, reader);
  if (found.node == nullptr) {
    return failed(found.code);
  }
  return {Code::ok, zkwire::StatReply{found.node->stat()}};
}

ReadResult read_data(const State& state, const std::string& path, const Reader& reader) {
  const Found found = find_readable(state, path, reader);
  if (found.node == nullptr) {
    return failed(found.code);
  }
  return {Code::ok, zkwire::DataReply{found.node->buffer(), found.node->stat()}};
}

DataView view_data(const State& state, std::string_view path, const Reader& reader) {
  const Found found = find_readable(state, path, reader);
  if (found.node == nullptr) {
    return {found.code, std::nullopt, {}};
  }
  const Node& node = *found.node;
  return {Code::ok, node.data_null() ? std::nullopt : std::optional<ByteView>(node.data()),
          node.stat()};
}

ReadResult read_acl(const State& state, const std::string& path, const Reader& reader) {
  const Node* node = state.tree().find(path);
  if (node == nullptr) {
    return failed(Code::no_node);
  }
  if (!may(state, *node, zkwire::perm::read | zkwire::perm::admin, reader)) {
    return failed(Code::no_auth);
  }
  const zkwire::AclList& acl = *state.tree().acl_of(*node);
  const bool all = may(state, *node, zkwire::perm::admin, reader);
  return {Code::ok, zkwire::AclReply{all ? acl : redact(acl), node->stat()}};
}

ReadResult read_children(const State& state, const std::string& path, const Reader& reader) {
  const Found found = find_readable(state, path, reader);
  if (found.node == nullptr) {
    return failed(found.code);
  }
  return {Code::ok, zkwire::ChildrenReply{names_of(*found.node)}};
}

ReadResult read_children2(const State& state, const std::string& path, const Reader& reader) {
  const Found found = find_readable(state, path, reader);
  if (found.node == nullptr) {
    return failed(found.code);
  }
  return {Code::ok, zkwire::ChildrenStatReply{names_of(*found.node), found.node->stat()}};
}

ReadResult read_all_children_number(const State& state, const std::string& path,
                                    const Reader& reader) {
  const Found found = find_readable(state, path, reader);
  if (found.node == nullptr) {
    return failed(found.code);
  }
  return {Code::ok, zkwire::NumberReply{static_cast<std::int32_t>(found.node->descendants())}};
}

ReadResult read_ephemerals(const State& state, SessionId session, const std::string& prefix) {
  zkwire::ChildrenReply reply;
  const Session* owner = state.find_session(session);
  const bool all = prefix == "/" || prefix.find_first_not_of(" \t\r\n") == std::string::npos;
  if (owner != nullptr) {
    const std::set<std::string>& paths = owner->ephemerals;
    for (auto it = all ? paths.begin() : paths.lower_bound(prefix); it != paths.end(); ++it) {
      if (!all && it->compare(0, prefix.size(), prefix) != 0) {
        break;
      }
      reply.children.push_back(*it);
    }
  }
  return {Code::ok, std::move(reply)};
}

ReadResult read_multi(const State& state, const zkwire::MultiReadRequest& request,
                      const Reader& reader) {
  zkwire::MultiReply reply;
  for (const zkwire::MultiReadPart& part : request.parts) {
    zkwire::MultiResult result;
    const Found found = find_readable(state, part.request.path, reader);
    if (found.node == nullptr) {
      result.code = found.code;
    } else if (part.type == zkwire::OpCode::get_data) {
      result.type = part.type;
      result.data = found.node->buffer();
      result.stat = found.node->stat();
    } else {
      result.type = part.type;
      result.children = names_of(*found.node);
    }
    reply.results.push_back(std::move(result));
  }
  return {Code::ok, std::move(reply)};
}

}  // namespace synod::znode
