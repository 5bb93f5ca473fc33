#include "master/documents.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "master/document_parts.h"

namespace synod::master {

namespace {

using mesos::JsonWriter;

// Tasks by the framework they belong to, over all agents.
using TasksOf = std::map<core::FrameworkId, std::vector<const core::TaskView*>>;

TasksOf tasks_of(const core::View& view) {
  TasksOf out;
  for (const auto& agent : view.agents) {
    for (const auto& task : agent->tasks) {
      out[task.framework].push_back(&task);
    }
  }
  return out;
}

void write_framework_offers(JsonWriter& out, const core::View& view, const core::FrameworkId& id) {
  out.key("offers").begin_array();
  for (const auto& agent : view.agents) {
    for (const auto& offer : agent->offers) {
      if (offer.framework == id) {
        out.begin_object().field("id", offer.id.value).field("framework_id", id.value);
        out.key("allocation_info").begin_object().field("role", offer.role).end_object();
        out.field("slave_id", offer.agent.value);
        write_resources(out, "resources", offer.resources);
        out.end_object();
      }
    }
  }
  out.end_array();
}

void write_framework_executors(JsonWriter& out, const core::View& view,
                               const core::FrameworkId& id) {
  out.key("executors").begin_array();
  for (const auto& agent : view.agents) {
    for (const auto& executor : agent->executors) {
      if (executor.framework == id) {
        write_executor(out, executor);
      }
    }
  }
  out.end_array();
}

void write_framework(JsonWriter& out, const core::View& view, const core::FrameworkView& framework,
                     const TasksOf& tasks) {
  out.begin_object();
  write_framework_summary(out, framework);
  out.key("tasks").begin_array();
  const auto own = tasks.find(framework.id);
  if (own != tasks.end()) {
    for (const auto* task : own->second) {
      write_task(out, *task);
    }
  }
  out.end_array().key("unreachable_tasks").begin_array();
  for (const auto& task : framework.unreachable_tasks) {
    write_task(out, task);
  }
  out.end_array().key("completed_tasks").begin_array();
  for (const auto& task : framework.completed_tasks) {
    write_task(out, task);
  }
  out.end_array();
  write_framework_offers(out, view, framework.id);
  write_framework_executors(out, view, framework.id);
  out.end_object();
}

void write_frameworks(JsonWriter& out, const core::View& view, const std::string& only) {
  const TasksOf tasks = tasks_of(view);
  out.key("frameworks").begin_array();
  for (const auto& framework : view.frameworks) {
    if (only.empty() || framework->id.value == only) {
      write_framework(out, view, *framework, tasks);
    }
  }
  out.end_array().key("completed_frameworks").begin_array();
  for (const auto& framework : view.completed) {
    if (only.empty() || framework->id.value == only) {
      write_framework(out, view, *framework, tasks);
    }
  }
  out.end_array();
}

bool is_back(const core::AgentView& agent) {
  return agent.state != core::AgentView::State::recovered;
}

void write_slaves(JsonWriter& out, const core::View& view, const std::string& only) {
  out.key("slaves").begin_array();
  for (const auto& agent : view.agents) {
    if (is_back(*agent) && (only.empty() || agent->id.value == only)) {
      out.begin_object();
      write_agent_members(out, *agent, true);
      out.end_object();
    }
  }
  out.end_array().key("recovered_slaves").begin_array();
  for (const auto& agent : view.agents) {
    if (!is_back(*agent) && (only.empty() || agent->id.value == only)) {
      out.begin_object()
          .field("id", agent->id.value)
          .field("hostname", agent->info->hostname)
          .field("port", agent->info->port)
          .end_object();
    }
  }
  out.end_array();
}

void write_master(JsonWriter& out, const Facts& facts) {
  const Identity& self = facts.self;
  std::uint64_t active = 0;
  std::uint64_t inactive = 0;
  for (const auto& agent : facts.picture.view->agents) {
    if (is_back(*agent)) {
      ++(agent->state == core::AgentView::State::connected ? active : inactive);
    }
  }
  const std::string pid = "master@" + self.ip + ':' + std::to_string(self.port);
  out.field("version", version_text())
      .field("start_time", seconds_of(self.started))
      .field("elected_time", seconds_of(facts.picture.elected_at))
      .field("id", self.id)
      .field("pid", pid)
      .field("hostname", self.hostname)
      .key("capabilities")
      .begin_array()
      .string("AGENT_UPDATE")
      .end_array()
      .field("activated_slaves", active)
      .field("deactivated_slaves", inactive)
      .field("unreachable_slaves",
             static_cast<std::uint64_t>(facts.picture.view->unreachable.size()))
      .field("leader", pid);
  out.key("leader_info")
      .begin_object()
      .field("id", self.id)
      .field("pid", pid)
      .field("port", static_cast<std::uint64_t>(self.port))
      .field("hostname", self.hostname)
      .end_object();
  if (!facts.options.cluster.empty()) {
    out.field("cluster", facts.options.cluster);
  }
  out.key("flags").begin_object();
  for (const auto& flag : facts.options.flags) {
    out.field(flag.first, flag.second);
  }
  out.end_object();
}

// Counts of tasks by state, as the summary has them.
using Counts = std::map<core::TaskState, std::uint64_t>;

void write_counts(JsonWriter& out, const Counts& counts) {
  for (const core::TaskState state :
       {core::TaskState::staging, core::TaskState::starting, core::TaskState::running,
        core::TaskState::killing, core::TaskState::finished, core::TaskState::killed,
        core::TaskState::failed, core::TaskState::lost, core::TaskState::error,
        core::TaskState::unreachable}) {
    const auto it = counts.find(state);
    out.field(core::to_string(state), it == counts.end() ? std::uint64_t{0} : it->second);
  }
}

// What the summary tells of each agent and framework beside themselves.
struct Tally {
  std::map<core::AgentId, Counts> of_agent;
  std::map<core::FrameworkId, Counts> of_framework;
  std::map<core::AgentId, std::set<std::string>> frameworks_on;
  std::map<core::FrameworkId, std::set<std::string>> agents_of;

  void count(const core::TaskView& task) {
    ++of_agent[task.agent][task.state];
    ++of_framework[task.framework][task.state];
    frameworks_on[task.agent].insert(task.framework.value);
    agents_of[task.framework].insert(task.agent.value);
  }
};

Tally tally_of(const core::View& view) {
  Tally out;
  for (const auto& agent : view.agents) {
    for (const auto& task : agent->tasks) {
      out.count(task);
    }
  }
  for (const auto& framework : view.frameworks) {
    for (const auto& task : framework->completed_tasks) {
      out.count(task);
    }
    for (const auto& task : framework->unreachable_tasks) {
      out.count(task);
    }
  }
  return out;
}

void write_names(JsonWriter& out, const char* name, const std::set<std::string>& names) {
  out.key(name).begin_array();
  for (const std::string& one : names) {
    out.string(one);
  }
  out.end_array();
}

}  // namespace

std::string state_page(const Facts& facts) {
  JsonWriter out;
  out.begin_object();
  write_master(out, facts);
  write_slaves(out, *facts.picture.view, "");
  write_frameworks(out, *facts.picture.view, "");
  out.key("orphan_tasks").begin_array().end_array();
  out.key("unregistered_frameworks").begin_array().end_array();
  out.end_object();
  return out.take();
}

std::string state_summary_page(const Facts& facts) {
  const core::View& view = *facts.picture.view;
  Tally tally = tally_of(view);
  JsonWriter out;
  out.begin_object().field("hostname", facts.self.hostname);
  if (!facts.options.cluster.empty()) {
    out.field("cluster", facts.options.cluster);
  }
  out.key("slaves").begin_array();
  for (const auto& agent : view.agents) {
    if (is_back(*agent)) {
      out.begin_object();
      write_agent_members(out, *agent, false);
      write_counts(out, tally.of_agent[agent->id]);
      write_names(out, "framework_ids", tally.frameworks_on[agent->id]);
      out.end_object();
    }
  }
  out.end_array().key("frameworks").begin_array();
  for (const auto& framework : view.frameworks) {
    out.begin_object();
    write_framework_summary(out, *framework);
    write_counts(out, tally.of_framework[framework->id]);
    write_names(out, "slave_ids", tally.agents_of[framework->id]);
    out.end_object();
  }
  out.end_array().end_object();
  return out.take();
}

std::string slaves_page(const Facts& facts, const std::string& only) {
  JsonWriter out;
  out.begin_object();
  write_slaves(out, *facts.picture.view, only);
  out.end_object();
  return out.take();
}

std::string frameworks_page(const Facts& facts, const std::string& only) {
  JsonWriter out;
  out.begin_object();
  write_frameworks(out, *facts.picture.view, only);
  out.key("unregistered_frameworks").begin_array().end_array().end_object();
  return out.take();
}

std::string tasks_page(const Facts& facts, const TaskQuery& query) {
  const core::View& view = *facts.picture.view;
  std::vector<const core::TaskView*> found;
  auto consider = [&found, &query](const core::TaskView& task) {
    if ((query.framework.empty() || task.framework.value == query.framework) &&
        (query.task.empty() || task.id.value == query.task)) {
      found.push_back(&task);
    }
  };
  for (const auto& agent : view.agents) {
    std::for_each(agent->tasks.begin(), agent->tasks.end(), consider);
  }
  for (const auto* list : {&view.frameworks, &view.completed}) {
    for (const auto& framework : *list) {
      std::for_each(framework->completed_tasks.begin(), framework->completed_tasks.end(), consider);
      std::for_each(framework->unreachable_tasks.begin(), framework->unreachable_tasks.end(),
                    consider);
    }
  }
  // In order of their first status; Mesos lists the newest first unless told otherwise.
  auto first = [](const core::TaskView* task) {
    const std::vector<core::TaskStatus> statuses = statuses_of(*task);
    return statuses.empty() ? WallTime{} : statuses.front().timestamp;
  };
  std::stable_sort(found.begin(), found.end(), [&](const auto* a, const auto* b) {
    return query.ascending ? first(a) < first(b) : first(b) < first(a);
  });
  JsonWriter out;
  out.begin_object().key("tasks").begin_array();
  const std::size_t begin = std::min(query.offset, found.size());
  const std::size_t end = begin + std::min(query.limit, found.size() - begin);
  for (std::size_t i = begin; i < end; ++i) {
    write_task(out, *found[i]);
  }
  out.end_array().end_object();
  return out.take();
}

std::string roles_page(const Facts& facts) {
  struct Role {
    resources::Resources allocated;
    resources::Resources offered;
    std::set<std::string> frameworks;
  };
  const core::View& view = *facts.picture.view;
  std::map<std::string, Role> roles;
  for (const auto& framework : view.frameworks) {
    for (const std::string& name : framework->info.roles()) {
      roles[name].frameworks.insert(framework->id.value);
    }
  }
  for (const auto& agent : view.agents) {
    for (const auto& task : agent->tasks) {
      if (!core::is_terminal(task.state)) {
        roles[task.role].allocated.add(task.resources);
      }
    }
    for (const auto& offer : agent->offers) {
      roles[offer.role].offered.add(offer.resources);
    }
  }
  std::map<std::string, resources::Milli> weights;
  for (const auto& weight : view.weights) {
    weights[weight.role] = weight.weight;
    roles[weight.role];
  }
  JsonWriter out;
  out.begin_object().key("roles").begin_array();
  for (const auto& [name, role] : roles) {
    const auto weight = weights.find(name);
    out.begin_object()
        .field("name", name)
        .field("weight",
               weight == weights.end() ? 1.0 : static_cast<double>(weight->second) / 1000.0);
    write_resources(out, "resources", role.allocated + role.offered);
    write_resources(out, "allocated", role.allocated);
    write_resources(out, "offered", role.offered);
    write_names(out, "frameworks", role.frameworks);
    out.end_object();
  }
  out.end_array().end_object();
  return out.take();
}

}  // namespace synod::master
