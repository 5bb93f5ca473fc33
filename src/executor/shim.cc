#include "executor/shim.h"

#include "executor/end_record.h"

namespace synod::executor {

Shim::Shim(const ShimOptions& options, ports::Lane& lane, ports::Disk& disk,
           ports::Processes& processes, Ended ended)
    : options_(options),
      lane_(lane),
      disk_(disk),
      processes_(processes),
      ended_(std::move(ended)) {}

Shim::~Shim() = default;

Status Shim::start() {
  ports::ProcessSpec spec;
  spec.argv = options_.argv;
  spec.env = options_.environment;
  spec.user = options_.user;
  // Our own descriptors are the sandbox's files already; our session is the executor's, so that
  // what ends us ends it.
  spec.descriptors = {{1, ports::Descriptor::Kind::inherit, ""},
                      {2, ports::Descriptor::Kind::inherit, ""}};
  auto child = processes_.spawn(lane_, spec);
  if (!child.ok()) {
    finish(ports::ExitStatus{127, std::nullopt});
    return child.error();
  }
  child_ = std::move(*child);
  watch_ =
      processes_.watch(lane_, child_->id(),
                       scope_.wrap([this](const ports::ExitStatus& status) { finish(status); }));
  return {};
}

void Shim::finish(const ports::ExitStatus& status) {
  if (const Status written = write_end_record(disk_, options_.state_directory, status, nullptr);
      !written.ok()) {
    lane_.log().error("shim", "{}", to_string(written.error()));
  }
  lane_.after(Duration(), scope_.wrap([this, status] { ended_(status); }));
}

}  // namespace synod::executor
