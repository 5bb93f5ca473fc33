#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/coordination/checker.h"

namespace synod::sim::coordination {
namespace {

using zkwire::Code;
using zkwire::OpCode;

bool stat_equal(zkwire::Stat seen, const ModelNode& node) {
  seen.ctime = seen.mtime = 0;
  seen.aversion = 0;
  return seen == Model::stat(node);
}

std::string show(const zkwire::Stat& s) {
  return fmt::format("c {:#x} m {:#x} p {:#x} version {} cversion {} children {} length {}",
                     s.czxid, s.mzxid, s.pzxid, s.version, s.cversion, s.num_children,
                     s.data_length);
}

// Where the operation leaves its tag for readers: what a read must show for it to have happened.
std::map<std::string, std::int64_t> find_tags(const History& history, Findings& findings) {
  std::map<std::string, std::int64_t> zxids;
  std::map<std::string, std::string> paths;
  for (const Operation& operation : history.operations) {
    const auto* reply = std::get_if<zkwire::DataReply>(&operation.reply);
    if (!operation.succeeded() || reply == nullptr || !reply->data || reply->data->empty()) {
      continue;
    }
    const std::string& path = path_of(operation.request);
    // The groundwork's tags are its paths.
    if (!path.starts_with("/t/") && !path.starts_with("/c/") && !path.starts_with("/q/") &&
        *reply->data != path) {
      continue;
    }
    zxids[*reply->data] = reply->stat.czxid;
    const auto [it, fresh] = paths.try_emplace(*reply->data, path);
    if (!fresh && it->second != path) {
      findings.add(
          fmt::format("replies: {} was created twice: {} and {}", *reply->data, it->second, path));
    }
  }
  return zxids;
}

bool touches_model(const Operation& operation) {
  return operation.op == OpCode::multi || is_modelled(path_of(operation.request));
}

class Replay {
 public:
  Replay(Model& model, Findings& findings) : model_(model), findings_(findings) {}

  void write(const Operation& operation, std::int64_t zxid) {
    if (const auto* multi = std::get_if<zkwire::MultiRequest>(&operation.request)) {
      write_multi(operation, *multi, zxid);
      return;
    }
    Code code = Code::ok;
    std::string path = path_of(operation.request);
    if (const auto* create = std::get_if<zkwire::CreateRequest>(&operation.request)) {
      code = model_.create(*create, operation.session, zxid, path);
    } else if (const auto* set = std::get_if<zkwire::SetDataRequest>(&operation.request)) {
      code = model_.set_data(*set, zxid);
    } else {
      const auto& named = std::get<zkwire::PathVersionRequest>(operation.request);
      code = model_.remove(named.path, named.version, zxid);
    }
    compare_code(operation, code, zxid);
    if (operation.succeeded() && code == Code::ok) {
      compare_write_reply(operation, path);
    }
  }

  void read(const Operation& operation) {
    const ModelNode* node = model_.find(path_of(operation.request));
    const Code expected = node != nullptr ? Code::ok : Code::no_node;
    if (operation.header.err != static_cast<std::int32_t>(expected)) {
      wrong(operation, zkwire::to_string(expected));
      return;
    }
    if (node != nullptr) {
      compare_read_reply(operation, *node);
    }
  }

 private:
  void wrong(const Operation& operation, const std::string& expected) {
    findings_.add(fmt::format("replies: {}; the model says {}", describe(operation), expected));
  }

  void compare_code(const Operation& operation, Code code, std::int64_t zxid) {
    if (!operation.completed() && code != Code::ok) {
      findings_.add(fmt::format("replies: took effect at {:#x}, where the model says {}: {}", zxid,
                                zkwire::to_string(code), describe(operation)));
    }
    if (operation.completed() && operation.header.err != static_cast<std::int32_t>(code)) {
      wrong(operation, zkwire::to_string(code));
    }
  }

  void compare_path(const Operation& operation, const std::string& seen, const std::string& path) {
    if (seen != path) {
      wrong(operation, fmt::format("path {}, not {}", path, seen));
    }
  }

  void compare_stat(const Operation& operation, const zkwire::Stat& seen, const ModelNode& node) {
    if (!stat_equal(seen, node)) {
      wrong(operation, fmt::format("{}, not {}", show(Model::stat(node)), show(seen)));
    }
  }

  void compare_write_reply(const Operation& operation, const std::string& path) {
    const ModelNode* node = model_.find(path);
    if (const auto* made = std::get_if<zkwire::PathReply>(&operation.reply)) {
      compare_path(operation, made->path, path);
    } else if (const auto* both = std::get_if<zkwire::PathStatReply>(&operation.reply)) {
      compare_path(operation, both->path, path);
      compare_stat(operation, both->stat, *node);
    } else if (const auto* stat = std::get_if<zkwire::StatReply>(&operation.reply)) {
      compare_stat(operation, stat->stat, *node);
    }
  }

  void compare_read_reply(const Operation& operation, const ModelNode& node) {
    if (const auto* stat = std::get_if<zkwire::StatReply>(&operation.reply)) {
      compare_stat(operation, stat->stat, node);
    } else if (const auto* data = std::get_if<zkwire::DataReply>(&operation.reply)) {
      compare_stat(operation, data->stat, node);
      if (data->data != node.data) {
        wrong(operation, fmt::format("data {}, not {}", node.data.value_or("null"),
                                     data->data.value_or("null")));
      }
    } else if (const auto* names = std::get_if<zkwire::ChildrenReply>(&operation.reply)) {
      compare_children(operation, names->children, node);
    } else if (const auto* both = std::get_if<zkwire::ChildrenStatReply>(&operation.reply)) {
      compare_children(operation, both->children, node);
      compare_stat(operation, both->stat, node);
    }
  }

  void compare_children(const Operation& operation, const std::vector<std::string>& names,
                        const ModelNode& node) {
    const std::set<std::string> seen(names.begin(), names.end());
    for (const std::string& name : seen) {
      if (node.children.count(name) == 0) {
        wrong(operation, "no child " + name);
      }
    }
    for (const std::string& name : node.children) {
      if (seen.count(name) == 0) {
        wrong(operation, "a child " + name);
      }
    }
  }

  void write_multi(const Operation& operation, const zkwire::MultiRequest& request,
                   std::int64_t zxid) {
    const zkwire::MultiReply expected = model_.multi(request, operation.session, zxid);
    if (!operation.completed()) {
      for (const zkwire::MultiResult& result : expected.results) {
        compare_code(operation, result.code, zxid);
      }
      return;
    }
    const auto* seen = std::get_if<zkwire::MultiReply>(&operation.reply);
    if (seen == nullptr || seen->results.size() != expected.results.size()) {
      wrong(operation, fmt::format("{} results", expected.results.size()));
      return;
    }
    for (std::size_t i = 0; i < expected.results.size(); ++i) {
      const zkwire::MultiResult& one = seen->results[i];
      const zkwire::MultiResult& model = expected.results[i];
      zkwire::Stat stat = one.stat;
      stat.ctime = stat.mtime = 0;
      stat.aversion = 0;
      if (one.code != model.code || one.path != model.path || stat != model.stat) {
        wrong(operation, fmt::format("part {}: {} {} {}, not {} {} {}", i,
                                     zkwire::to_string(model.code), model.path, show(model.stat),
                                     zkwire::to_string(one.code), one.path, show(stat)));
      }
    }
  }

  Model& model_;
  Findings& findings_;
};

struct Placed {
  std::int64_t zxid = 0;
  bool read = false;  // after the write of the same zxid
  const Operation* operation = nullptr;
};

}  // namespace

bool is_modelled(const std::string& path) {
  return path.starts_with("/t") || path.starts_with("/c") || path.starts_with("/q") ||
         path.starts_with("/s") || path.starts_with("/r");
}

void check_replies(const History& history, Model& model, Findings& findings) {
  const std::map<std::string, std::int64_t> tags = find_tags(history, findings);
  std::vector<Placed> placed;
  for (const Operation& operation : history.operations) {
    const bool write = is_write(operation.op);
    if (!touches_model(operation)) {
      continue;
    }
    if (operation.completed()) {
      const auto code = static_cast<Code>(operation.header.err);
      if (operation.header.zxid > 0 && code != Code::session_expired &&
          operation.op != OpCode::sync) {
        placed.push_back({operation.header.zxid, !write, &operation});
      }
    } else if (write) {
      auto it = tags.find(operation.tag);
      if (it != tags.end()) {
        placed.push_back({it->second, false, &operation});
      }
    }
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return a.zxid != b.zxid ? a.zxid < b.zxid : a.read < b.read;
  });
  Replay replay(model, findings);
  for (const Placed& one : placed) {
    if (one.read) {
      replay.read(*one.operation);
    } else {
      replay.write(*one.operation, one.zxid);
    }
  }
}

}  // namespace synod::sim::coordination
