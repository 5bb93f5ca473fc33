// The start of an agent, step by step between the two Lanes.
#include "agent/convert.h"
#include "agent/node_parts.h"
#include "agent/views.h"
#include "containerizer/paths.h"
#include "mesos/internal.h"
#include "mesos/v1.h"
#include "ports/entropy.h"

namespace synod::agent {

namespace {

constexpr int lock_attempts_max = 30;
constexpr Duration lock_attempt_interval = Duration::millis(100);

std::string advertised_host(const Options& options, const ports::Network& network) {
  if (!options.advertise_ip.empty()) {
    return options.advertise_ip;
  }
  if (!options.ip.empty() && options.ip != "0.0.0.0" && options.ip != "::") {
    return options.ip;
  }
  // Loopback comes last: it is no address for others.
  const auto addresses = network.local_addresses();
  return addresses.empty() ? "127.0.0.1" : addresses.front().host;
}

core::Options core_options(const Options& options, std::uint64_t seed) {
  core::Options made;
  made.seed = seed;
  made.update_retry_min = options.update_retry_min;
  made.executor_registration_timeout = options.executor_registration_timeout;
  made.executor_reregistration_timeout = options.executor_reregistration_timeout;
  made.registration_backoff = options.registration_backoff_factor;
  made.accept_new_lineage = options.accept_new_lineage;
  made.planted = options.planted;
  return made;
}

}  // namespace

Node::Node(const Options& options, const NodePorts& ports, NodeHandler handler)
    : options_(options), ports_(ports), handler_(std::move(handler)) {
  core_ = std::make_unique<core::Core>(core_options(options_, ports_.lane.entropy().next()));
  link_ = std::make_unique<MasterLink>(
      ports_.lane, ports_.network, options_.version,
      MasterLinkHandler{[this](const mesos::internal::MasterEvent& event) { on_event(event); },
                        [this](const std::string& reason) {
                          if (source_ != nullptr) {
                            source_->refresh();
                          }
                          step(core::MasterLost{reason, master_.has_value()});
                        }});
  executor_api_ = std::make_unique<ExecutorApi>(
      ports_.lane, *core_,
      ExecutorApiHandler{[this](core::EventBody body) { step(std::move(body)); },
                         [this] { return agent_info(); },
                         [this](const core::ExecutorKey& key, const std::string& data) {
                           on_executor_message(key, data);
                         }});
  views_ = std::make_unique<Views>(*this);
}

Node::~Node() {
  ports_.lane.cancel(wake_timer_);
  ports_.lane.cancel(measure_timer_);
  if (journal_ != nullptr) {
    // What it holds belongs to the other Lane.
    (void)ports_.journal_lane.try_post([home = std::move(journal_)] {
      home->writer.reset();
      home->lock.reset();
    });
  }
}

Status Node::start() {
  SYNOD_TRY_ASSIGN(total_, total_resources(options_, ports_.host));
  SYNOD_TRY_ASSIGN(attributes_, resources::parse_attributes(options_.attributes));
  hostname_ = options_.hostname.empty() ? ports_.host.name() : options_.hostname;
  boot_id_ = ports_.host.boot_id();
  started_at_ = ports_.lane.now();
  started_wall_ = ports_.lane.wall();
  SYNOD_TRY_ASSIGN(
      source_, make_master_source(MasterSourceOptions{options_.master, options_.zk_session_timeout},
                                  ports_.lane, ports_.network,
                                  [this](std::optional<ports::HostPort> master) {
                                    on_master(std::move(master));
                                  }));
  auto back = scope_.wrap([this](const std::shared_ptr<Opened>& result) { opened(result); });
  post_surely(ports_.lane, ports_.journal_lane,
              [disk = &ports_.disk, lane = &ports_.lane, journal_lane = &ports_.journal_lane,
               options = options_, fresh_id = ports_.lane.entropy().next(), back] {
                open_when_free(*journal_lane, *disk, options, fresh_id, lock_attempts_max,
                               [lane, journal_lane, back](const std::shared_ptr<Opened>& result) {
                                 post_surely(*journal_lane, *lane,
                                             [back, result]() mutable { back(result); });
                               });
              });
  return {};
}

// A child of an agent that was killed in the middle of a fork holds its lock a little longer.
void Node::open_when_free(ports::Lane& journal_lane, ports::Disk& disk, const Options& options,
                          std::uint64_t fresh_id, int attempts,
                          const std::function<void(const std::shared_ptr<Opened>&)>& done) {
  auto result = std::make_shared<Opened>();
  result->status = [&]() -> Status {
    const std::string directory = containerizer::journal_directory(options.work_dir);
    SYNOD_TRY(disk.make_directories(directory));
    SYNOD_TRY_ASSIGN(result->lock, disk.lock(options.work_dir));
    SYNOD_TRY_ASSIGN(storage::OpenedJournal opened,
                     storage::RecordJournal::open(disk, directory, {}, fresh_id));
    result->journal = std::move(opened.journal);
    result->records = std::move(opened.records);
    return {};
  }();
  if (!result->status.ok() && result->status.error().code == ErrorCode::busy && attempts > 1) {
    journal_lane.after(lock_attempt_interval,
                       [&journal_lane, &disk, options, fresh_id, attempts, done] {
                         open_when_free(journal_lane, disk, options, fresh_id, attempts - 1, done);
                       });
    return;
  }
  result->cgroups = containerizer::detect_cgroups(disk, options.cgroups);
  done(result);
}

void Node::opened(const std::shared_ptr<Opened>& opened) {
  if (!opened->status.ok()) {
    const Error& error = opened->status.error();
    return end(error.code == ErrorCode::busy
                   ? Error{ErrorCode::busy, "another agent uses --work_dir=" + options_.work_dir}
                   : with_context("--work_dir=" + options_.work_dir, error));
  }
  for (const Bytes& bytes : opened->records) {
    auto record = core::decode_record(bytes);
    if (!record.ok()) {
      return end(record.error());
    }
    if (Status replayed = core_->replay(*record); !replayed.ok()) {
      return end(replayed.error());
    }
  }
  opened_ = opened;
  make_writer(opened);
  struct Question {
    core::ContainerId id;
    std::optional<core::ProcessRef> process;
    std::string sandbox;
  };
  auto questions = std::make_shared<std::vector<Question>>();
  for (const auto& [id, process] : core_->unfinished_containers()) {
    const core::ExecutorKey& key = core_->find(id)->spec.key;
    questions->push_back(
        Question{id, process,
                 containerizer::sandbox_directory(
                     options_.work_dir, containerizer::SandboxKey{core_->agent_id(), key.framework,
                                                                  key.executor, to_string(id)})});
  }
  auto back = scope_.wrap(
      [this](const std::shared_ptr<std::vector<core::ContainerFound>>& found) { checked(found); });
  // What does not run as journaled is ended wholly before its tasks are spoken of.
  post_surely(ports_.lane, ports_.journal_lane,
              [lane = &ports_.lane, journal_lane = &ports_.journal_lane, disk = &ports_.disk,
               processes = &ports_.processes, cgroups = opened->cgroups, boot_id = boot_id_,
               questions, back] {
                auto found = std::make_shared<std::vector<core::ContainerFound>>(questions->size());
                auto waiting = std::make_shared<std::size_t>(1);
                const auto arrive = [lane, journal_lane, found, waiting, back] {
                  if (--*waiting == 0) {
                    post_surely(*journal_lane, *lane, [back, found]() mutable { back(found); });
                  }
                };
                for (std::size_t i = 0; i < questions->size(); ++i) {
                  const Question& question = (*questions)[i];
                  core::ContainerFound& answer = (*found)[i];
                  answer.container = question.id;
                  const auto& process = question.process;
                  if (process && process->boot_id == boot_id &&
                      processes->alive(ports::ProcessId{process->pid, process->start_time})) {
                    answer.alive = true;
                    continue;
                  }
                  ++*waiting;
                  sweep_and_read(*journal_lane, *disk, *processes, cgroups, to_string(question.id),
                                 question.sandbox,
                                 [found, i, arrive](const std::optional<Bytes>& end) {
                                   if (end) {
                                     (*found)[i].exit = task_exit_from(*end);
                                     (*found)[i].status = wait_status_from_end(*end);
                                   }
                                   arrive();
                                 });
                }
                arrive();
              });
}

void Node::make_writer(const std::shared_ptr<Opened>& opened) {
  journal_ = std::make_shared<JournalHome>();
  auto durable = scope_.wrap([this](std::uint64_t seq, bool is_long) { on_durable(seq, is_long); });
  auto full = scope_.wrap([this](bool is_full) {
    journal_full_ = is_full;
    set_pressure();
  });
  auto failed = scope_.wrap([this](const Error& error) { end(with_context("journal", error)); });
  // Positions count on from what was replayed.
  post_surely(ports_.lane, ports_.journal_lane,
              [home = journal_, opened, lane = &ports_.lane, journal_lane = &ports_.journal_lane,
               durable, full, failed] {
                home->lock = std::move(opened->lock);
                const auto tell = [lane, journal_lane](std::function<void()> task) {
                  post_surely(*journal_lane, *lane, std::move(task));
                };
                JournalHandler handler;
                handler.durable = [tell, durable,
                                   weak = std::weak_ptr<JournalHome>(home)](std::uint64_t seq) {
                  const auto alive = weak.lock();
                  const bool is_long = alive != nullptr && alive->writer->is_long();
                  tell([durable, seq, is_long]() mutable { durable(seq, is_long); });
                };
                handler.full = [tell, full](bool is_full) {
                  tell([full, is_full]() mutable { full(is_full); });
                };
                handler.failed = [tell, failed](const Error& error) {
                  tell([failed, error]() mutable { failed(error); });
                };
                home->writer = std::make_unique<JournalWriter>(
                    *journal_lane, std::move(opened->journal), std::move(handler));
              });
}

containerizer::Options Node::containerizer_options(const containerizer::Cgroups& cgroups) const {
  containerizer::Options made;
  made.work_dir = options_.work_dir;
  made.program = options_.program;
  made.cgroups = cgroups;
  made.cgroups_enable_cfs = options_.cgroups_enable_cfs;
  made.switch_user = options_.switch_user;
  made.is_root = options_.is_root;
  made.own_user = options_.own_user;
  made.agent_endpoint = to_string(advertised_);
  made.recovery_timeout = options_.recovery_timeout;
  made.executor_reregistration_timeout =
      std::min(options_.executor_reregistration_timeout, Duration::seconds(2));
  made.executor_shutdown_grace_period = options_.executor_shutdown_grace_period;
  made.environment = options_.executor_environment;
  return made;
}

void Node::checked(const std::shared_ptr<std::vector<core::ContainerFound>>& found) {
  if (Status listening = listen(); !listening.ok()) {
    return end(listening.error());
  }
  launcher_ = std::make_unique<Launcher>(
      LauncherPorts{ports_.lane, ports_.journal_lane, ports_.disk, ports_.processes},
      containerizer_options(opened_->cgroups), boot_id_,
      [this](core::EventBody body) { step(std::move(body)); });
  isolation_ = containerizer::in_words(opened_->cgroups, options_.cgroups);
  opened_.reset();
  step(core::RecoveryChecked{boot_id_, *found});
  write_endpoint();
  measure_now();
  ports_.lane.log().info("agent", "listening on {}, work_dir {}, resources {}",
                         to_string(advertised_), options_.work_dir, to_string(total_));
  handler_.ready(advertised_);
  if (master_) {
    step(core::MasterDetected{});
  }
}

Status Node::listen() {
  server_ =
      std::make_unique<http::Server>(ports_.lane, ports_.network, http::ServerOptions{},
                                     [this](http::Request request, http::Responder responder) {
                                       views_->handle(std::move(request), std::move(responder));
                                     });
  const std::string at = options_.ip.empty() ? "0.0.0.0" : options_.ip;
  SYNOD_TRY(server_->listen(ports::Address{at, options_.port}));
  advertised_.host = advertised_host(options_, ports_.network);
  advertised_.port =
      options_.advertise_port != 0 ? options_.advertise_port : server_->address().port;
  return {};
}

// For executors that outlived us, should we come back on another port.
void Node::write_endpoint() {
  ports::Address reached = advertised_;
  reached.port = server_->address().port;
  post_surely(
      ports_.lane, ports_.journal_lane,
      [disk = &ports_.disk, log = &ports_.lane.log(),
       path = containerizer::endpoint_file(options_.work_dir), text = to_string(reached) + "\n"] {
        if (Status written = ports::write_file_atomically(*disk, path, text); !written.ok()) {
          log->warning("agent", "{}: {}", path, to_string(written.error()));
        }
      });
}

}  // namespace synod::agent
