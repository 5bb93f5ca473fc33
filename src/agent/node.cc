#include "agent/node.h"

#include <algorithm>

#include "agent/convert.h"
#include "agent/node_parts.h"
#include "agent/views.h"
#include "base/trace.h"
#include "mesos/internal.h"
#include "mesos/v1.h"

namespace synod::agent {

namespace {

using mesos::internal::AgentCall;
using mesos::internal::MasterEvent;

// How long the last words to master and disk may take.
constexpr Duration end_patience = Duration::millis(300);

}  // namespace

void Node::stop(const std::string& reason) {
  if (core_->recovered()) {
    step(core::StopAsked{reason});
  } else {
    end({});
  }
}

void Node::step(core::EventBody body) {
  core::Effects effects;
  const core::Event event{ports_.lane.now(), ports_.lane.wall(), std::move(body)};
  trace(ports_.lane.log(), "agent", ">", event);
  core_->step(event, effects);
  for (const core::Effect& effect : effects) {
    trace(ports_.lane.log(), "agent", "<", effect);
    perform(effect);
  }
  arm();
}

void Node::perform(const core::Effect& effect) {
  if (const auto* persist = std::get_if<core::Persist>(&effect)) {
    append(*persist);
  } else if (const auto* spawn = std::get_if<core::Spawn>(&effect)) {
    launcher_->spawn(*spawn, core_->agent_id());
  } else if (const auto* release = std::get_if<core::Release>(&effect)) {
    launcher_->release(release->container);
  } else if (const auto* watch = std::get_if<core::Watch>(&effect)) {
    const core::ExecutorKey& key = core_->find(watch->container)->spec.key;
    launcher_->watch(watch->container, watch->process,
                     containerizer::SandboxKey{core_->agent_id(), key.framework, key.executor,
                                               to_string(watch->container)});
  } else if (const auto* destroy = std::get_if<core::Destroy>(&effect)) {
    launcher_->destroy(destroy->container);
  } else if (const auto* to_executor = std::get_if<core::ToExecutor>(&effect)) {
    executor_api_->perform(*to_executor);
  } else if (std::holds_alternative<core::Subscribe>(effect)) {
    subscribe();
  } else if (const auto* disconnect = std::get_if<core::Disconnect>(&effect)) {
    link_->disconnect(disconnect->reason);
  } else if (const auto* to_master = std::get_if<core::ToMaster>(&effect)) {
    perform_master(*to_master);
  } else if (const auto* note = std::get_if<core::Note>(&effect)) {
    const LogLevel level = note->level == core::NoteLevel::info      ? LogLevel::info
                           : note->level == core::NoteLevel::warning ? LogLevel::warning
                                                                     : LogLevel::error;
    ports_.lane.log().write(level, "agent", note->text);
  } else if (std::holds_alternative<core::Exit>(effect)) {
    ports_.lane.after(end_patience, scope_.wrap([this] { end({}); }));
  }
}

void Node::perform_master(const core::ToMaster& effect) {
  AgentCall call;
  if (const auto* update = std::get_if<core::ForwardUpdate>(&effect.body)) {
    call.set_type(AgentCall::UPDATE);
    auto* message = call.mutable_update()->mutable_update();
    message->mutable_framework_id()->set_value(update->task.framework);
    *message->mutable_status() =
        status_from(update->update, update->task, update->executor, core_->agent_id());
    message->set_latest_state(static_cast<::mesos::v1::TaskState>(update->latest_state));
  } else if (const auto* answer = std::get_if<core::AnswerUnknown>(&effect.body)) {
    call.set_type(AgentCall::UPDATE);
    auto* message = call.mutable_update()->mutable_update();
    message->mutable_framework_id()->set_value(answer->task.framework);
    *message->mutable_status() = status_from(*answer, ports_.lane.wall(), core_->agent_id());
    message->set_latest_state(static_cast<::mesos::v1::TaskState>(answer->state));
  } else if (const auto* pong = std::get_if<core::Pong>(&effect.body)) {
    call.set_type(AgentCall::PONG);
    call.mutable_pong()->set_number(pong->number);
  } else if (const auto* ended = std::get_if<core::ReportExecutorEnded>(&effect.body)) {
    call.set_type(AgentCall::EXECUTOR_EXITED);
    auto* exited = call.mutable_executor_exited();
    exited->mutable_framework_id()->set_value(ended->executor.framework);
    exited->mutable_executor_id()->set_value(ended->executor.executor);
    // As wait() gives it.
    exited->set_status(ended->status.code     ? *ended->status.code << 8
                       : ended->status.signal ? *ended->status.signal
                                              : -1);
  } else if (std::holds_alternative<core::ReportPressure>(effect.body)) {
    send_usage();
    return;
  } else {
    call.set_type(AgentCall::GOODBYE);
  }
  link_->send(std::move(call));
}

void Node::arm() {
  const Instant wake = core_->next_wake();
  if (wake == wake_at_) {
    return;
  }
  ports_.lane.cancel(wake_timer_);
  wake_at_ = wake;
  if (wake == Instant::max()) {
    return;
  }
  wake_timer_ =
      ports_.lane.after(std::max(wake - ports_.lane.now(), Duration()), scope_.wrap([this] {
        wake_at_ = Instant::max();
        step(core::Tick{});
      }));
}

void Node::append(const core::Persist& effect) {
  post_surely(ports_.lane, ports_.journal_lane,
              [home = journal_, seq = effect.seq.value(), bytes = core::encode(effect.record)] {
                if (home->writer != nullptr) {
                  home->writer->append(seq, bytes);
                }
              });
}

void Node::on_durable(std::uint64_t seq, bool is_long) {
  step(core::Durable{core::JournalSeq(seq)});
  if (!is_long) {
    compacting_ = false;
    return;
  }
  if (compacting_) {
    return;
  }
  compacting_ = true;
  std::vector<Bytes> records;
  for (const core::Record& record : core_->condensed()) {
    records.push_back(core::encode(record));
  }
  post_surely(ports_.lane, ports_.journal_lane,
              [home = journal_, seq = core_->last_seq().value(), records] {
                if (home->writer != nullptr) {
                  home->writer->compact(seq, records);
                }
              });
}

void Node::on_master(std::optional<ports::HostPort> master) {
  const bool changed = master != master_;
  // Known again after a while without: the stream that outlived the while is still the right one.
  const bool same = master && master == master_before_ && core_->registered();
  master_ = std::move(master);
  if (master_) {
    master_before_ = master_;
  }
  if (!core_->recovered() || !changed || same) {
    return;
  }
  if (master_) {
    ports_.lane.log().info("agent", "the leading master is {}", to_string(*master_));
    step(core::MasterDetected{});
  } else {
    // The connection, if there is one, may well be good: it ends by itself when it is not.
    ports_.lane.log().info("agent", "no leading master is known");
  }
}

void Node::on_event(const MasterEvent& event) {
  const core::MasterIdentity from = identity_from(event.epoch());
  if (event.type() == MasterEvent::REFUSED) {
    const auto& refused = event.refused();
    ports_.lane.log().error("agent", "the master refused us: {}", refused.message());
    if (refused.reason() == MasterEvent::Refused::GONE) {
      step(core::MasterSaid{from, core::Shutdown{refused.message()}});
    }
    return;
  }
  auto command = command_from(event);
  if (!command.ok()) {
    ports_.lane.log().warning("agent", "ignored an event of the master: {}",
                              command.error().message);
    return;
  }
  const bool was_registered = core_->registered();
  step(core::MasterSaid{from, std::move(*command)});
  if (!was_registered && core_->registered()) {
    send_usage();  // a new master knows neither pids nor usage until it is told
  }
}

void Node::end(const Status& why) {
  if (ended_) {
    return;
  }
  ended_ = true;
  ports_.lane.after(Duration(), scope_.wrap([this, why] { handler_.ended(why); }));
}

}  // namespace synod::agent
