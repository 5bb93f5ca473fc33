#include "master/overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "master/document_parts.h"
#include "mesos/json_text.h"
#include "translate/amounts.h"

namespace synod::master {

namespace {

using mesos::JsonWriter;

constexpr std::size_t ended_tasks_max = 100;

double amount(const resources::Resources& resources, std::string_view name) {
  return translate::milli_to_double(resources.scalar(name));
}

void write_amounts(JsonWriter& out, const char* name, const resources::Resources& resources) {
  out.key(name).begin_object();
  for (const char* scalar : {"cpus", "mem", "disk"}) {
    out.field(scalar, amount(resources, scalar));
  }
  if (resources.scalar("gpus") > 0) {
    out.field("gpus", amount(resources, "gpus"));
  }
  out.field("ports", resources::to_string(resources.ranges("ports"))).end_object();
}

std::string name_of(const core::AgentView& agent) {
  for (const auto& attribute : agent.info->attributes) {
    const auto* text = std::get_if<std::string>(&attribute.value);
    if (attribute.name == "name" && text != nullptr) {
      return *text;
    }
  }
  return agent.info->hostname;
}

const char* state_of(const core::AgentView& agent) {
  switch (agent.state) {
    case core::AgentView::State::connected: return "active";
    case core::AgentView::State::disconnected: return "disconnected";
    case core::AgentView::State::recovered:
    case core::AgentView::State::admitting: return "recovering";
  }
  return "recovering";
}

const char* state_of(const core::FrameworkView& framework) {
  switch (framework.state) {
    case core::FrameworkView::State::connected: return "active";
    case core::FrameworkView::State::disconnected: return "disconnected";
    case core::FrameworkView::State::recovered: return "recovering";
    case core::FrameworkView::State::completed: return "completed";
  }
  return "completed";
}

class Overview {
 public:
  Overview(const Picture& picture, const Identity& self, WallTime now,
           const std::vector<CoordinatorView>& coordinators, const AgentReports& reports,
           const Names& names)
      : picture_(picture),
        view_(*picture.view),
        self_(self),
        now_(now),
        coordinators_(coordinators),
        reports_(reports),
        names_(names) {
    for (const auto& agent : view_.agents) {
      total_.add(agent->total);
      agent_names_[agent->id] = name_of(*agent);
    }
    for (const auto& framework : view_.frameworks) {
      framework_names_[framework->id] = framework->info.name;
    }
  }

  std::string write() {
    out_.begin_object();
    write_health();
    out_.field("now_at_ms", now_.millis);
    write_coordinators();
    write_masters();
    write_agents();
    write_frameworks();
    write_tasks();
    write_failover();
    write_events();
    out_.end_object();
    return out_.take();
  }

 private:
  const std::string& named(const std::string& address) const {
    const auto it = names_.find(address);
    return it == names_.end() ? address : it->second;
  }

  std::size_t alive() const {
    return static_cast<std::size_t>(
        std::count_if(coordinators_.begin(), coordinators_.end(), [](const auto& server) {
          return server.state != "unreachable" && server.state != "electing";
        }));
  }

  std::size_t agents_not_active() const {
    return static_cast<std::size_t>(std::count_if(
        view_.agents.begin(), view_.agents.end(),
        [](const auto& agent) { return agent->state != core::AgentView::State::connected; }));
  }

  void write_health() {
    std::string trouble;
    auto add = [&trouble](const std::string& text) {
      trouble += (trouble.empty() ? "" : "; ") + text;
    };
    const std::size_t servers = coordinators_.size();
    if (alive() < servers) {
      add(fmt::format("{} of {} coordinators answer{}", alive(), servers,
                      2 * alive() > servers ? "" : ", which is no quorum"));
    }
    if (agents_not_active() > 0) {
      add(fmt::format("{} of {} agents are not connected", agents_not_active(),
                      view_.agents.size()));
    }
    if (!view_.unreachable.empty()) {
      add(fmt::format("{} agents are unreachable", view_.unreachable.size()));
    }
    if (view_.agents.empty()) {
      add("no agent has registered");
    }
    for (const auto& agent : view_.agents) {
      if (!agent->accepts_tasks) {
        add(fmt::format("{} takes no tasks: {}", name_of(*agent), agent->why_not));
      }
    }
    std::string lead =
        fmt::format("{} leads since {}", named(address_of(self_)), clock_text(picture_.elected_at));
    if (picture_.failover) {
      lead += fmt::format(", after {} {}", named(picture_.failover->from),
                          picture_.failover->died ? "died" : "was silent");
    }
    out_.key("health").begin_object().field("ok", trouble.empty());
    out_.field("trouble", trouble);
    out_.field("text",
               trouble.empty() ? "All well. " + lead : "Attention: " + trouble + ". " + lead);
    out_.end_object();
  }

  void write_server(const CoordinatorView& server) {
    out_.begin_object()
        .field("address", ports::to_string(server.endpoint))
        .field("name", named(ports::to_string(server.endpoint)))
        .field("state", server.state)
        .field("zxid", fmt::format("{:#x}", server.zxid))
        .field("ballot", server.ballot)
        .field("znodes", server.znodes)
        .field("sessions", server.sessions)
        .field("connections", server.connections)
        .field("fsync_p99_ms", server.fsync_p99_ms)
        .field("version", server.version)
        .end_object();
  }

  void write_coordinators() {
    const CoordinatorView none;
    const CoordinatorView* leader = &none;
    std::uint64_t sessions = 0;
    for (const auto& server : coordinators_) {
      if (server.state == "leader" || server.state == "standalone") {
        leader = &server;
      }
      sessions = std::max(sessions, server.sessions);
    }
    out_.key("quorum")
        .begin_object()
        .field("alive", static_cast<std::uint64_t>(alive()))
        .field("of", static_cast<std::uint64_t>(coordinators_.size()))
        .field("leader", leader == &none ? "" : ports::to_string(leader->endpoint))
        .field("ballot", leader->ballot)
        .field("zxid", fmt::format("{:#x}", leader->zxid))
        .field("znodes", leader->znodes)
        .field("sessions", sessions)
        .field("fsync_p99_ms", leader->fsync_p99_ms)
        .end_object();
    out_.key("coordinators").begin_array();
    for (const auto& server : coordinators_) {
      write_server(server);
    }
    out_.end_array();
  }

  void write_masters() {
    out_.key("leader")
        .begin_object()
        .field("address", address_of(self_))
        .field("name", named(address_of(self_)))
        .field("id", self_.id)
        .field("pid", self_.pid)
        .field("epoch", picture_.leadership.epoch.value())
        .field("lineage", to_string(picture_.leadership.lineage))
        .field("since_at_ms", picture_.elected_at.millis)
        .end_object();
    out_.key("masters").begin_array();
    for (const Identity& master : picture_.masters) {
      out_.begin_object()
          .field("address", address_of(master))
          .field("name", named(address_of(master)))
          .field("id", master.id)
          .field("pid", master.pid)
          .field("leader", master.id == self_.id)
          .end_object();
    }
    out_.end_array();
  }

  void write_agent(const core::AgentView& agent) {
    const AgentReport* report = reports_.find(agent.id);
    const std::string hostname = agent.info->hostname;
    const std::int32_t port = agent.info->port;
    out_.begin_object()
        .field("id", agent.id.value)
        .field("name", name_of(agent))
        .field("hostname", hostname)
        .field("address", hostname + ':' + std::to_string(port))
        .field("pid", report == nullptr ? std::uint64_t{0} : report->pid)
        .field("state", state_of(agent))
        .field("note", agent.over_committed ? "more is used than there is" : agent.why_not);
    out_.key("attributes").begin_object();
    {
      for (const auto& attribute : agent.info->attributes) {
        const std::string text = resources::to_string(attribute);
        out_.field(attribute.name, text.substr(std::min(text.find(':') + 1, text.size())));
      }
    }
    out_.end_object();
    write_amounts(out_, "total", agent.total);
    write_amounts(out_, "offered", agent.offered);
    write_amounts(out_, "allocated", agent.allocated);
    out_.key("used")
        .begin_object()
        .field("cpus", report == nullptr ? 0.0 : report->cpus_used)
        .field("mem", report == nullptr ? 0.0 : report->mem_used_mib)
        .field("disk", report == nullptr ? 0.0 : report->disk_used_mib)
        .end_object();
    out_.end_object();
  }

  void write_agents() {
    out_.key("agents").begin_array();
    for (const auto& agent : view_.agents) {
      write_agent(*agent);
    }
    for (const auto& lost : view_.unreachable) {
      out_.begin_object()
          .field("id", lost.id.value)
          .field("name", lost.id.value)
          .field("hostname", "")
          .field("address", "")
          .field("pid", 0)
          .field("state", "unreachable")
          .field("note", "silent since " + clock_text(lost.since));
      out_.key("attributes").begin_object().end_object();
      for (const char* name : {"total", "offered", "allocated"}) {
        write_amounts(out_, name, {});
      }
      out_.key("used").begin_object().field("cpus", 0.0).field("mem", 0.0).field("disk", 0.0);
      out_.end_object().end_object();
    }
    out_.end_array();
  }

  // Of what is offered to it and used by it: the largest part of any one kind.
  double share_percent(const core::FrameworkView& framework) const {
    double share = 0;
    resources::Resources held = framework.allocated;
    held.add(framework.offered);
    for (const auto& item : held.quantities().items()) {
      const auto all = total_.scalar(item.name);
      if (all > 0) {
        share =
            std::max(share, 100.0 * static_cast<double>(item.amount) / static_cast<double>(all));
      }
    }
    constexpr double digits = 10;
    return static_cast<double>(static_cast<std::int64_t>(share * digits + 0.5)) / digits;
  }

  void write_frameworks() {
    std::map<core::FrameworkId, std::uint64_t> tasks;
    std::map<core::FrameworkId, std::uint64_t> offers;
    for (const auto& agent : view_.agents) {
      for (const auto& task : agent->tasks) {
        tasks[task.framework] += core::is_terminal(task.state) ? 0 : 1;
      }
      for (const auto& offer : agent->offers) {
        ++offers[offer.framework];
      }
    }
    out_.key("frameworks").begin_array();
    for (const auto& framework : view_.frameworks) {
      out_.begin_object()
          .field("id", framework->id.value)
          .field("name", framework->info.name)
          .field("state", state_of(*framework));
      out_.key("roles").begin_array();
      for (const std::string& role : framework->info.roles()) {
        out_.string(role);
      }
      out_.end_array()
          .field("share_percent", share_percent(*framework))
          .field("offers", offers[framework->id])
          .field("tasks", tasks[framework->id])
          .field("waits", framework->suppressed_roles.empty() ? "" : "suppressed")
          .end_object();
    }
    out_.end_array();
  }

  void write_task(const core::TaskView& task) {
    const AgentReport* report = reports_.find(task.agent);
    const auto framework = framework_names_.find(task.framework);
    const auto agent = agent_names_.find(task.agent);
    std::uint64_t pid = 0;
    UsedBy used;
    if (report != nullptr) {
      const auto known = report->task_pids.find({task.framework, task.id.value});
      pid = known == report->task_pids.end() ? 0 : known->second;
      const std::string executor = task.executor.empty() ? task.id.value : task.executor.value;
      const auto using_now = report->executors.find({task.framework, executor});
      used = using_now == report->executors.end() ? UsedBy{} : using_now->second;
    }
    WallTime started;
    const std::vector<core::TaskStatus> statuses = statuses_of(task);
    for (const auto& status : statuses) {
      if (status.state == core::TaskState::running) {
        started = status.timestamp;
      }
    }
    out_.begin_object()
        .field("id", task.id.value)
        .field("name", task.name)
        .field("framework_id", task.framework.value)
        .field("framework", framework == framework_names_.end() ? "" : framework->second)
        .field("agent_id", task.agent.value)
        .field("agent", agent == agent_names_.end() ? "" : agent->second)
        .field("state", core::to_string(task.state))
        .field("pid", pid)
        .field("started_at_ms", started.millis)
        .field("cpus", amount(task.resources, "cpus"))
        .field("mem", amount(task.resources, "mem"));
    write_ports(task);
    out_.key("used").begin_object().field("cpus", used.cpus).field("mem", used.mem_mib);
    out_.end_object()
        .field("message", statuses.empty() ? "" : statuses.back().message)
        .end_object();
  }

  void write_ports(const core::TaskView& task) {
    constexpr std::uint64_t ports_max = 100;
    std::uint64_t written = 0;
    out_.key("ports").begin_array();
    const auto ranges = task.resources.ranges("ports");
    for (const auto& interval : ranges.intervals()) {
      for (std::uint64_t port = interval.begin; written < ports_max; ++port, ++written) {
        out_.unsigned_integer(port);
        if (port == interval.end) {
          ++written;
          break;
        }
      }
    }
    out_.end_array();
  }

  void write_tasks() {
    out_.key("tasks").begin_array();
    std::vector<const core::TaskView*> ended;
    for (const auto& agent : view_.agents) {
      for (const auto& task : agent->tasks) {
        if (core::is_terminal(task.state)) {
          ended.push_back(&task);
        } else {
          write_task(task);
        }
      }
    }
    for (const auto* list : {&view_.frameworks, &view_.completed}) {
      for (const auto& framework : *list) {
        for (const auto& task : framework->unreachable_tasks) {
          write_task(task);
        }
        for (const auto& task : framework->completed_tasks) {
          ended.push_back(&task);
        }
      }
    }
    auto ended_at = [](const core::TaskView* task) {
      return task->statuses.empty() ? WallTime{} : task->statuses.back().timestamp;
    };
    std::stable_sort(ended.begin(), ended.end(), [&ended_at](const auto* a, const auto* b) {
      return ended_at(a) > ended_at(b);
    });
    ended.resize(std::min(ended.size(), ended_tasks_max));
    for (const auto* task : ended) {
      write_task(*task);
    }
    out_.end_array();
  }

  void write_span(const char* name, const std::optional<Duration>& span) {
    out_.key(name);
    if (span) {
      out_.integer(span->millis());
    } else {
      out_.null();
    }
  }

  void write_failover() {
    out_.key("failover");
    if (!picture_.failover) {
      out_.null();
      return;
    }
    const Failover& failover = *picture_.failover;
    out_.begin_object()
        .field("from", failover.from)
        .field("from_name", named(failover.from))
        .field("cause", failover.died ? "died" : "silent")
        .field("at_ms", failover.at.millis);
    write_span("elected_ms", failover.elected);
    out_.field("agents_back", static_cast<std::uint64_t>(failover.back))
        .field("agents", static_cast<std::uint64_t>(failover.agents));
    write_span("agents_back_ms", failover.agents_back);
    write_span("first_offer_ms", failover.first_offer);
    out_.end_object();
  }

  void write_events() {
    out_.key("events").begin_array();
    for (const Happening& happening : picture_.happenings) {
      out_.begin_object()
          .field("at_ms", happening.at.millis)
          .field("kind", happening.kind)
          .field("text", happening.text)
          .end_object();
    }
    out_.end_array();
  }

  const Picture& picture_;
  const core::View& view_;
  const Identity& self_;
  WallTime now_;
  const std::vector<CoordinatorView>& coordinators_;
  const AgentReports& reports_;
  const Names& names_;
  resources::Resources total_;
  std::map<core::AgentId, std::string> agent_names_;
  std::map<core::FrameworkId, std::string> framework_names_;
  JsonWriter out_;
};

}  // namespace

std::string cluster_page(const Picture& picture, const Identity& self, WallTime now,
                         const std::vector<CoordinatorView>& coordinators,
                         const AgentReports& reports, const Names& names) {
  return Overview(picture, self, now, coordinators, reports, names).write();
}

Names names_from(const std::string& text) {
  Names names;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::size_t equals = text.find('=', at);
    if (equals < end) {
      names[text.substr(equals + 1, end - equals - 1)] = text.substr(at, equals - at);
    }
    at = end + 1;
  }
  return names;
}

std::string clock_text(WallTime at) {
  const std::int64_t seconds = at.millis / 1000;
  return fmt::format("{:02}:{:02} UTC", seconds / 3600 % 24, seconds / 60 % 60);
}

}  // namespace synod::master
