// What Node keeps on the journal Lane. Included by Node's own files only.
#pragma once

#include "agent/node.h"

namespace synod::agent {

// Owned jointly by the Node and the tasks it posts; the last of them runs on the journal Lane.
struct Node::JournalHome {
  std::unique_ptr<ports::DirectoryLock> lock;
  std::unique_ptr<JournalWriter> writer;
};

struct Node::Opened {
  Status status;
  std::unique_ptr<ports::DirectoryLock> lock;
  std::unique_ptr<storage::RecordJournal> journal;
  std::vector<Bytes> records;
  containerizer::Cgroups cgroups;
};

}  // namespace synod::agent
