#include "coordinator/node.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "coordinator/admin.h"
#include "coordinator/edge.h"
#include "coordinator/journal.h"
#include "coordinator/reconfig.h"
#include "ports/scope.h"

namespace synod::coordinator {
namespace {

constexpr std::int64_t heartbeats_per_timeout = 10;
// A snapshot from a peer is loaded beside the old state, and queues and the log want memory, too.
constexpr std::uint64_t state_part_of_memory = 4;

}  // namespace

EngineOptions engine_options(const ZooConfig& config) {
  EngineOptions options;
  options.self = config.my_id.value_or(NodeId(1));
  options.tick = Duration::millis(config.tick_ms);
  options.election_timeout = Duration::millis(config.election_timeout_ms());
  options.heartbeat_interval = options.election_timeout / heartbeats_per_timeout;
  options.lease = Duration::millis(config.lease_ms);
  options.snapshots.every = std::max<std::uint64_t>(config.snapshot_count, 1);
  options.state_limit_bytes = config.state_limit_bytes.value_or(0);
  options.config_text = config_node_text(config);
  options.reconfig_enabled = config.reconfig_enabled;
  options.standalone_enabled = config.standalone_enabled;
  for (paxos::Member& member : members_of(config)) {
    // The file founds; what it says of addresses is not written down.
    options.addresses[member.node] = std::exchange(member.address, "");
    options.members.push_back(std::move(member));
  }
  for (const ServerLine& server : config.servers) {
    if (server.id == options.self) {
      options.peer_listen = server.peer;
    } else {
      options.peers.emplace(server.id, server.peer);
    }
  }
  if (options.members.empty()) {
    paxos::Member alone;
    alone.node = options.self;
    options.members.push_back(alone);
  }
  return options;
}

// Each part is made, called and destroyed on its own Lane; what crosses are Senders.
struct Node::Parts {
  Parts(NodePorts the_ports, NodeOptions the_options)
      : lanes(std::move(the_ports)),
        options(std::move(the_options)),
        shared(lanes.gate, lanes.edges.size()),
        edges(lanes.edges.size()) {
    shared.switches = switches_of(options.config);
    if (!options.config.state_limit_bytes.has_value()) {
      options.config.state_limit_bytes = options.memory_bytes / state_part_of_memory;
    }
  }

  // A Lane that is full is tried again by the task's own Lane only; at birth none is.
  static void post(ports::Lane& lane, ports::Task task) {
    if (!lane.try_post(std::move(task))) {
      lane.log().error("node", "a Lane takes no task");
    }
  }

  void build() {
    // The journal first: what it reports comes to the engine's Lane behind the engine's birth.
    post(lanes.journal, [this] { build_journal(); });
    // Nothing of a client can be for the engine before it has answered that client's first request.
    const ports::Sender<EdgeMessage> to_engine(lanes.engine, [this](EdgeMessage message) {
      if (engine != nullptr) {
        engine->on(std::move(message));
      }
    });
    for (EdgeIndex i = 0; i < edges.size(); ++i) {
      post(*lanes.edges[i], [this, i, to_engine] {
        EdgeOptions edge = edge_options(options.config, i, edges.size());
        edge.shares = options.edge_shares.value_or(edge.shares);
        edge.planted = options.planted;
        edges[i] = std::make_unique<Edge>(*lanes.edges[i], shared, to_engine, std::move(edge));
      });
    }
    post(*lanes.edges[0], [this] {
      listen();
      open_admin();
    });
  }

  void build_journal() {
    JournalOptions journal_options;
    journal_options.log_directory = options.config.data_log_dir + "/log";
    journal_options.snapshot_directory = options.config.data_dir + "/snapshots";
    journal_options.log = options.log;
    journal_options.log.boot_id = options.boot_id;
    journal_options.ballast_size_bytes = options.ballast_size_bytes;
    journal_options.snapshot.keep = options.config.snapshots_retained;
    journal_options.purge_interval =
        Duration::seconds(std::int64_t{3600} * options.config.purge_interval_hours);
    journal_options.planted = options.planted;
    journal_options.log.planted = options.planted;
    journal_options.snapshot.planted = options.planted;
    ports::Sender<JournalReport> to_engine(lanes.engine, [this](JournalReport report) {
      if (engine != nullptr) {
        engine->on(std::move(report));
      }
    });
    journal = std::make_unique<Journal>(lanes.journal, lanes.disk, std::move(journal_options),
                                        std::move(to_engine));
    post(lanes.engine, [this, commands = journal->commands()] { build_engine(commands); });
  }

  void build_engine(const ports::Sender<JournalCommand>& commands) {
    std::vector<ports::Sender<Wake>> wakers;
    for (EdgeIndex i = 0; i < edges.size(); ++i) {
      wakers.emplace_back(*lanes.edges[i], [this, i](Wake) {
        if (edges[i] != nullptr) {
          edges[i]->wake();
        }
      });
    }
    EngineOptions engine_opts = engine_options(options.config);
    engine_opts.planted = options.planted;
    engine_opts.release = options.release;
    engine_opts.log_slots_kept = options.log_slots_kept;
    engine_opts.batch_commands_max = options.batch_commands_max;
    engine = std::make_unique<Engine>(
        EnginePorts{lanes.engine, lanes.network, shared, commands, std::move(wakers),
                    options.on_failed, options.on_quarantined},
        std::move(engine_opts));
  }

  // ---- the clients' port, on the first edge's Lane

  void listen() {
    const ports::HostPort at{options.config.client_port_address,
                             options.config.client_port.value_or(0)};
    lanes.network.resolve(*lanes.edges[0], at, scope.wrap([this](auto&& addresses) {
      if (!addresses.ok()) {
        tell_failed(with_context("client address", addresses.error()));
        return;
      }
      ports::ListenOptions listen_options;
      listen_options.backlog = options.config.listen_backlog;
      auto listening = lanes.network.listen(
          *lanes.edges[0], addresses->front(), listen_options,
          [this](std::unique_ptr<ports::Stream> stream) { accept(std::move(stream)); });
      if (!listening.ok()) {
        tell_failed(with_context("client port", listening.error()));
        return;
      }
      listener = std::move(listening).value();
      const ports::Address address = listener->address();
      post(lanes.engine, [this, address] { options.on_listening(address); });
    }));
  }

  // Nobody's clients need it: what cannot be had is said, and no more.
  void open_admin() {
    const ZooConfig& config = options.config;
    for (const auto& port :
         {config.admin_enabled ? config.admin_port : std::nullopt, config.metrics_port}) {
      if (!port.has_value()) {
        continue;
      }
      if (admin == nullptr) {
        admin = std::make_unique<Admin>(*edges[0], lanes.network, config.admin_url);
      }
      lanes.network.resolve(
          *lanes.edges[0], {config.admin_address, *port}, scope.wrap([this](auto&& addresses) {
            Log& log = lanes.edges[0]->log();
            const Status listening =
                addresses.ok() ? admin->listen(addresses->front()) : Status(addresses.error());
            if (listening.ok()) {
              log.info("admin", "answers at http://{}", to_string(admin->address()));
            } else {
              log.warning("admin", "no admin server: {}", to_string(listening.error()));
            }
          }));
    }
  }

  // Round and round the edges.
  void accept(std::unique_ptr<ports::Stream> stream) {
    const EdgeIndex to = next_edge;
    next_edge = static_cast<EdgeIndex>((next_edge + 1) % edges.size());
    if (to == 0) {
      edges[0]->accept(std::move(stream));
      return;
    }
    post(*lanes.edges[to], [this, to, stream = std::move(stream)]() mutable {
      if (edges[to] != nullptr) {
        edges[to]->accept(std::move(stream));
      }
    });
  }

  void tell_failed(const Error& error) {
    post(lanes.engine, [this, error] { options.on_failed(error); });
  }

  // ---- the end

  // The end must not be lost to a Lane that is full just now.
  static void post_surely(ports::Lane& from, ports::Lane& to, std::function<void()> task) {
    if (!to.try_post(task)) {
      from.after(Duration::millis(1),
                 [&from, &to, task = std::move(task)] { post_surely(from, to, task); });
    }
  }

  void stop() {
    post_surely(lanes.engine, *lanes.edges[0], [this] {
      scope.reset();
      listener.reset();
    });
    if (engine == nullptr) {
      drain_edges();
    } else {
      engine->leave([this] { drain_edges(); });
    }
  }

  void drain_edges() {
    edges_draining = edges.size();
    const auto drained = [this] {
      if (--edges_draining == 0) {
        applied = engine == nullptr ? Slot() : engine->applied();
        stop_edge(lanes.engine, 0);
      }
    };
    for (EdgeIndex i = 0; i < edges.size(); ++i) {
      post_surely(lanes.engine, *lanes.edges[i], [this, i, drained] {
        const auto tell = [this, i, drained] {
          post_surely(*lanes.edges[i], lanes.engine, drained);
        };
        edges[i] == nullptr ? tell() : edges[i]->drain(tell);
      });
    }
  }

  // Edges, then the journal, then the engine, each on its Lane.
  void stop_edge(ports::Lane& from, EdgeIndex i) {
    if (i == edges.size()) {
      post_surely(from, lanes.journal, [this] {
        if (journal != nullptr) {
          journal->finish(applied);
        }
        journal.reset();
        post_surely(lanes.journal, lanes.engine, [this] {
          engine.reset();
          stopped();
        });
      });
      return;
    }
    post_surely(from, *lanes.edges[i], [this, i] {
      if (i == 0) {
        admin.reset();
      }
      edges[i].reset();
      stop_edge(*lanes.edges[i], static_cast<EdgeIndex>(i + 1));
    });
  }

  NodePorts lanes;
  NodeOptions options;
  Shared shared;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Engine> engine;
  std::vector<std::unique_ptr<Edge>> edges;
  std::unique_ptr<ports::Listener> listener;
  std::unique_ptr<Admin> admin;  // on the first edge's Lane; nullptr: none is configured
  EdgeIndex next_edge = 0;
  std::size_t edges_draining = 0;  // on the engine's Lane
  Slot applied;                    // when the last edge was drained
  std::function<void()> stopped;
  ports::Scope scope;  // of the first edge's Lane
};

Node::Node(NodePorts ports, NodeOptions options)
    : parts_(std::make_unique<Parts>(std::move(ports), std::move(options))) {
  parts_->build();
}

Node::~Node() = default;

void Node::stop(std::function<void()> stopped) {
  parts_->stopped = std::move(stopped);
  parts_->stop();
}

const Engine* Node::engine() const { return parts_->engine.get(); }
const Shared& Node::shared() const { return parts_->shared; }

}  // namespace synod::coordinator
