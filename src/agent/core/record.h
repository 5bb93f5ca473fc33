// The agent's journal, record by record. Replaying the records in order gives the durable state.
//
// Source  docs/formats/agent-journal.md: the bytes. Kinds are frozen numbers; new kinds are added
//         at the end, unknown kinds are an error (a newer agent wrote them).
// Purity  Encoding is a function of the record; decoding is total.
#pragma once

#include <ostream>
#include <variant>
#include <vector>

#include "agent/core/types.h"
#include "base/result.h"

namespace synod::agent::core {

// The id that a master gave. Kind 1.
struct AgentNamed {
  std::string agent_id;
};

// The greatest master identity heard so far; obeyed only once this is durable. Kind 2.
struct MasterSeen {
  MasterIdentity master;
};

// An executor is about to be started: written before anything is created. Kind 3.
struct LaunchIntended {
  ContainerId container;
  Framework framework;
  ExecutorSpec executor;
  std::vector<TaskSpec> tasks;
};

// Its process exists, held back until this is durable. Kind 4.
struct Forked {
  ContainerId container;
  ProcessRef process;
};

// One more task for an executor that exists. Kind 5.
struct TaskAdded {
  ContainerId container;
  TaskSpec task;
};

// An update to be delivered to the framework. Kind 6.
struct UpdateTaken {
  TaskKey task;
  std::string executor;
  Update update;
};

// The framework has the head of that task's updates. Kind 7.
struct UpdateAcknowledged {
  TaskKey task;
  Uuid uuid;
};

// A kill to be passed on, remembered across our own restart. Kind 8.
struct KillAsked {
  TaskKey task;
  Duration grace;
};

// Nothing of the container runs any more. Kind 9.
struct ContainerEnded {
  ContainerId container;
  WaitStatus status;
};

// The framework's info changed. Kind 10.
struct FrameworkChanged {
  Framework framework;
};

// The framework is over: what is still unacknowledged interests nobody. Kind 11.
struct FrameworkEnded {
  std::string framework;
};

// What is left of a task's past when the journal is rewritten: it stands after its executor's
// LaunchIntended, or alone if that executor has ended, and before its pending updates. Kind 12.
struct TaskKept {
  TaskSpec task;
  std::string executor;
  TaskState state = TaskState::staging;  // of its last acknowledged update
  std::int64_t process = 0;
  std::vector<Uuid> recent;
  std::vector<Update> told;  // Task::told; absent in journals of before
};

using Record = std::variant<AgentNamed, MasterSeen, LaunchIntended, Forked, TaskAdded, UpdateTaken,
                            UpdateAcknowledged, KillAsked, ContainerEnded, FrameworkChanged,
                            FrameworkEnded, TaskKept>;

Bytes encode(const Record& record);
// malformed for anything that encode() did not write.
Result<Record> decode_record(ByteView bytes);

// One line: "launch-intended container=... executor=f1/e1 tasks=t1".
std::ostream& operator<<(std::ostream& out, const Record& record);

}  // namespace synod::agent::core
