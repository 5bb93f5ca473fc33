#include "agent/core/record.h"

namespace synod::agent::core {

namespace {

// Every list in a record is bounded by the bytes that remain, so a wrong count cannot make us
// reserve memory that the record does not fill.
constexpr std::uint8_t kind_of(const Record& record) {
  return static_cast<std::uint8_t>(record.index() + 1);
}

class Writer : public ByteWriter {
 public:
  void put(const Uuid& v) {
    raw(ByteView(reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size()));
  }
  void put(const std::string& v) { sized(v); }
  void put(Duration v) { i64(v.nanos()); }
  void put(const TaskKey& v) {
    sized(v.framework);
    sized(v.task);
  }
  void put(const Framework& v) {
    sized(v.id);
    sized(v.info);
    u8(v.partition_aware ? 1 : 0);
  }
  void put(const ExecutorSpec& v) {
    sized(v.key.framework);
    sized(v.key.executor);
    u8(static_cast<std::uint8_t>(v.kind));
    sized(v.info);
    put(v.shutdown_grace);
  }
  void put(const TaskSpec& v) {
    put(v.key);
    sized(v.info);
    put(v.kill_grace);
  }
  void put(const WaitStatus& v) {
    u8(v.code ? 1 : v.signal ? 2 : 0);
    u32(static_cast<std::uint32_t>(v.code ? *v.code : v.signal ? *v.signal : 0));
  }
  void put(const Update& v) {
    put(v.uuid);
    u8(static_cast<std::uint8_t>(v.state));
    u8(static_cast<std::uint8_t>(v.source));
    u8(static_cast<std::uint8_t>(v.reason));
    sized(v.message);
    i64(v.at.millis);
    sized(v.status);
    i64(v.process);
  }
};

class Reader : public ByteReader {
 public:
  using ByteReader::ByteReader;

  Uuid uuid() {
    Uuid v;
    const ByteView bytes = raw(v.bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      v.bytes[i] = static_cast<std::uint8_t>(bytes[i]);
    }
    return v;
  }
  std::string text() { return std::string(sized()); }
  Duration duration() { return Duration::nanos(i64()); }
  // An enumerator in [0, last].
  template <typename E>
  E enumerator(E last) {
    const std::uint8_t v = u8();
    if (v > static_cast<std::uint8_t>(last)) {
      fail();
      return E{};
    }
    return static_cast<E>(v);
  }
  TaskKey task_key() {
    TaskKey v;
    v.framework = text();
    v.task = text();
    return v;
  }
  Framework framework() {
    Framework v;
    v.id = text();
    v.info = text();
    v.partition_aware = u8() != 0;
    return v;
  }
  ExecutorSpec executor() {
    ExecutorSpec v;
    v.key.framework = text();
    v.key.executor = text();
    v.kind = enumerator(ExecutorKind::custom);
    v.info = text();
    v.shutdown_grace = duration();
    return v;
  }
  TaskSpec task() {
    TaskSpec v;
    v.key = task_key();
    v.info = text();
    v.kill_grace = duration();
    return v;
  }
  WaitStatus wait_status() {
    WaitStatus v;
    const std::uint8_t kind = u8();
    const int number = static_cast<int>(u32());
    if (kind == 1) {
      v.code = number;
    } else if (kind == 2) {
      v.signal = number;
    } else if (kind != 0) {
      fail();
    }
    return v;
  }
  Update update() {
    Update v;
    v.uuid = uuid();
    v.state = enumerator(TaskState::unknown);
    v.source = enumerator(Source::executor);
    v.reason = enumerator(Reason::agent_draining);
    v.message = text();
    v.at.millis = i64();
    v.status = text();
    v.process = i64();
    return v;
  }
  template <typename Read>
  auto list(Read read) {
    std::vector<decltype(read())> items;
    const std::uint32_t count = u32();
    for (std::uint32_t i = 0; i < count && ok(); ++i) {
      items.push_back(read());
    }
    return items;
  }
};

void write(Writer& w, const AgentNamed& r) { w.put(r.agent_id); }
void write(Writer& w, const MasterSeen& r) {
  w.put(r.master.lineage);
  w.u64(r.master.epoch.value());
}
void write(Writer& w, const LaunchIntended& r) {
  w.put(r.container);
  w.put(r.framework);
  w.put(r.executor);
  w.u32(static_cast<std::uint32_t>(r.tasks.size()));
  for (const TaskSpec& task : r.tasks) {
    w.put(task);
  }
}
void write(Writer& w, const Forked& r) {
  w.put(r.container);
  w.i64(r.process.pid);
  w.u64(r.process.start_time);
  w.put(r.process.boot_id);
}
void write(Writer& w, const TaskAdded& r) {
  w.put(r.container);
  w.put(r.task);
}
void write(Writer& w, const UpdateTaken& r) {
  w.put(r.task);
  w.put(r.executor);
  w.put(r.update);
}
void write(Writer& w, const UpdateAcknowledged& r) {
  w.put(r.task);
  w.put(r.uuid);
}
void write(Writer& w, const KillAsked& r) {
  w.put(r.task);
  w.put(r.grace);
}
void write(Writer& w, const ContainerEnded& r) {
  w.put(r.container);
  w.put(r.status);
}
void write(Writer& w, const FrameworkChanged& r) { w.put(r.framework); }
void write(Writer& w, const FrameworkEnded& r) { w.put(r.framework); }
void write(Writer& w, const TaskKept& r) {
  w.put(r.task);
  w.put(r.executor);
  w.u8(static_cast<std::uint8_t>(r.state));
  w.i64(r.process);
  w.u32(static_cast<std::uint32_t>(r.recent.size()));
  for (const Uuid& uuid : r.recent) {
    w.put(uuid);
  }
  w.u32(static_cast<std::uint32_t>(r.told.size()));
  for (const Update& update : r.told) {
    w.put(update);
  }
}

Record read_launch(Reader& r) {
  LaunchIntended v;
  v.container = r.uuid();
  v.framework = r.framework();
  v.executor = r.executor();
  v.tasks = r.list([&r] { return r.task(); });
  return v;
}

Record read_forked(Reader& r) {
  Forked v;
  v.container = r.uuid();
  v.process.pid = r.i64();
  v.process.start_time = r.u64();
  v.process.boot_id = r.text();
  return v;
}

Record read_update(Reader& r) {
  UpdateTaken v;
  v.task = r.task_key();
  v.executor = r.text();
  v.update = r.update();
  return v;
}

Record read_kept(Reader& r) {
  TaskKept v;
  v.task = r.task();
  v.executor = r.text();
  v.state = r.enumerator(TaskState::unknown);
  v.process = r.i64();
  v.recent = r.list([&r] { return r.uuid(); });
  if (!r.at_end()) {
    v.told = r.list([&r] { return r.update(); });
  }
  return v;
}

// Braced lists are evaluated from left to right, which is the order of the bytes.
Record read_body(std::uint8_t kind, Reader& r) {
  switch (kind) {
    case 1: return AgentNamed{r.text()};
    case 2: return MasterSeen{MasterIdentity{r.uuid(), MasterEpoch(r.u64())}};
    case 3: return read_launch(r);
    case 4: return read_forked(r);
    case 5: return TaskAdded{r.uuid(), r.task()};
    case 6: return read_update(r);
    case 7: return UpdateAcknowledged{r.task_key(), r.uuid()};
    case 8: return KillAsked{r.task_key(), r.duration()};
    case 9: return ContainerEnded{r.uuid(), r.wait_status()};
    case 10: return FrameworkChanged{r.framework()};
    case 11: return FrameworkEnded{r.text()};
    case 12: return read_kept(r);
    default: r.fail(); return AgentNamed{};
  }
}

std::string brief_id(const Uuid& uuid) { return to_string(uuid).substr(0, 8); }

std::string names_of(const std::vector<TaskSpec>& tasks) {
  std::string text;
  for (const TaskSpec& task : tasks) {
    text += (text.empty() ? "" : ",") + task.key.task;
  }
  return text;
}

void print(std::ostream& out, const AgentNamed& r) { out << "agent-named " << r.agent_id; }
void print(std::ostream& out, const MasterSeen& r) { out << "master-seen " << r.master; }
void print(std::ostream& out, const LaunchIntended& r) {
  out << "launch-intended " << brief_id(r.container) << " executor=" << r.executor.key
      << " tasks=" << names_of(r.tasks);
}
void print(std::ostream& out, const Forked& r) {
  out << "forked " << brief_id(r.container) << " process=" << r.process;
}
void print(std::ostream& out, const TaskAdded& r) {
  out << "task-added " << brief_id(r.container) << " task=" << r.task.key;
}
void print(std::ostream& out, const UpdateTaken& r) {
  out << "update-taken " << r.task << ' ' << r.update;
}
void print(std::ostream& out, const UpdateAcknowledged& r) {
  out << "update-acknowledged " << r.task << ' ' << brief_id(r.uuid);
}
void print(std::ostream& out, const KillAsked& r) {
  out << "kill-asked " << r.task << " grace=" << r.grace.millis() << "ms";
}
void print(std::ostream& out, const ContainerEnded& r) {
  out << "container-ended " << brief_id(r.container) << ' ' << to_string(r.status);
}
void print(std::ostream& out, const FrameworkChanged& r) {
  out << "framework-changed " << r.framework.id;
}
void print(std::ostream& out, const FrameworkEnded& r) { out << "framework-ended " << r.framework; }
void print(std::ostream& out, const TaskKept& r) {
  out << "task-kept " << r.task.key << ' ' << to_string(r.state);
}

}  // namespace

Bytes encode(const Record& record) {
  Writer w;
  w.u8(kind_of(record));
  std::visit([&w](const auto& body) { write(w, body); }, record);
  return w.take();
}

Result<Record> decode_record(ByteView bytes) {
  Reader r(bytes);
  const std::uint8_t kind = r.u8();
  Record record = read_body(kind, r);
  if (!r.done()) {
    return Error{ErrorCode::malformed,
                 "agent journal: record of kind " + std::to_string(kind) + " does not decode"};
  }
  return record;
}

std::ostream& operator<<(std::ostream& out, const Record& record) {
  std::visit([&out](const auto& body) { print(out, body); }, record);
  return out;
}

}  // namespace synod::agent::core
