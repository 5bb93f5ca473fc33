// The parts that several documents of Mesos share: agents, frameworks, tasks, resources.
//
// Source   mesos.md 8.1: ids flattened to strings, ranges as text, times in seconds.
#pragma once

#include <string>
#include <vector>

#include "master/core/view.h"
#include "mesos/json_text.h"

namespace synod::master {

double seconds_of(WallTime time);

// {"cpus":..,"gpus":..,"mem":..,"disk":..,"ports":"[a-b]",...}
void write_resources(mesos::JsonWriter& out, const char* name,
                     const resources::Resources& resources);
// Members of an object that is open. `full` adds the arrays of whole resources.
void write_agent_members(mesos::JsonWriter& out, const core::AgentView& agent, bool full);
void write_framework_summary(mesos::JsonWriter& out, const core::FrameworkView& framework);
// The statuses of a task: those this master heard, else those that its agent reported.
std::vector<core::TaskStatus> statuses_of(const core::TaskView& task);
// Whole objects.
void write_task(mesos::JsonWriter& out, const core::TaskView& task);
void write_executor(mesos::JsonWriter& out, const core::ExecutorView& executor);

}  // namespace synod::master
