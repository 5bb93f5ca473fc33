// Rules on what a framework asks to run that need nothing but the message.
//
// Source   mesos.md 9.6. What needs the offer, the agent or the framework's other tasks is the
//          master core's.
#pragma once

#include <optional>
#include <string>

namespace mesos::v1 {
class CommandInfo;
class ContainerInfo;
class ExecutorInfo;
class KillPolicy;
class TaskInfo;
}  // namespace mesos::v1

namespace synod::translate {

// nullopt if the message is good, else what is wrong with it, as a sentence without a final stop.
std::optional<std::string> command_error(const ::mesos::v1::CommandInfo& command);
std::optional<std::string> container_error(const ::mesos::v1::ContainerInfo& container);
std::optional<std::string> executor_error(const ::mesos::v1::ExecutorInfo& executor);
std::optional<std::string> task_error(const ::mesos::v1::TaskInfo& task);

}  // namespace synod::translate
