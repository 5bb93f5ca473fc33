// Messages to the core's words and back.
//
// Source  mesos/internal.proto, mesos/v1; protocol reference 5.4 (the ExecutorInfo that an agent
//         makes up for a command task), 11.5 (reasons).
// Errors  Every function that reads a peer's message answers for any message.
#pragma once

#include <optional>
#include <string>

#include "agent/core/core.h"
#include "base/result.h"
#include "ports/processes.h"

namespace mesos::v1 {
class ExecutorInfo;
class FrameworkInfo;
class Task;
class TaskInfo;
class TaskStatus;
}  // namespace mesos::v1
namespace synod::mesos::internal {
class MasterEpoch;
class MasterEvent;
class TaskEnd;
}  // namespace synod::mesos::internal

namespace synod::agent {

Bytes bytes_of(const Uuid& uuid);
// nullopt unless it is 16 bytes.
std::optional<Uuid> uuid_from(ByteView bytes);

core::MasterIdentity identity_from(const mesos::internal::MasterEpoch& message);
void set_identity(const core::MasterIdentity& identity, mesos::internal::MasterEpoch* message);

// What an event orders; an error says why it orders nothing. REFUSED is the link's business.
Result<core::Command> command_from(const mesos::internal::MasterEvent& event);

core::Framework framework_from(const ::mesos::v1::FrameworkInfo& info);
// The executor of a task: its own, or the command executor made up for it.
core::ExecutorSpec executor_for(const std::string& framework_id, const ::mesos::v1::TaskInfo& task);

// An executor's status, which has a uuid of 16 bytes.
core::Update update_from(const ::mesos::v1::TaskStatus& status);
// Complete as a framework shall see it.
::mesos::v1::TaskStatus status_from(const core::Update& update, const core::TaskKey& task,
                                    const std::string& executor_id, const std::string& agent_id);
// The same without uuid: an answer that nobody acknowledges.
::mesos::v1::TaskStatus status_from(const core::AnswerUnknown& answer, WallTime at,
                                    const std::string& agent_id);

// What a SUBSCRIBE tells of one task. `command` tasks name no executor.
::mesos::v1::Task task_message(const core::Task& task, bool command, const std::string& agent_id);

// What the end file says; nullopt if it says nothing.
core::WaitStatus wait_status(const ports::ExitStatus& status);
std::optional<core::TaskExit> task_exit_from(ByteView json);
core::WaitStatus wait_status_from_end(ByteView json);

}  // namespace synod::agent
