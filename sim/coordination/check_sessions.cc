// No session ends before its time.
//
// A write that was answered was heard by the leader after it was sent, so the session must live for
// its timeout from then on; clocks of servers and clients drift, hence nine tenths. Pings prove
// nothing during a storm: a replica that has lost its leader answers them. Once all is calm, they
// count too.
#include <fmt/format.h>

#include <map>

#include "sim/coordination/checker.h"

namespace synod::sim::coordination {
namespace {

struct LivingSession {
  Duration timeout;
  std::optional<Instant> written;  // when the last answered write was sent
  bool close_asked = false;
  Instant connected;
  Instant disconnected;
};

class SessionCheck {
 public:
  SessionCheck(const History& history, Findings& findings)
      : history_(history), findings_(findings) {}

  void run() {
    for (const Step& step : history_.steps) {
      switch (step.kind) {
        case Step::Kind::connected: {
          LivingSession& session = sessions_[step.session];
          session.timeout = Duration::millis(step.timeout_ms);
          session.connected = step.at;
          break;
        }
        case Step::Kind::disconnected: sessions_[step.session].disconnected = step.at; break;
        case Step::Kind::invoke: invoke(step); break;
        case Step::Kind::complete: complete(history_.operations[step.operation]); break;
        case Step::Kind::expired: expired(step); break;
        default: break;
      }
    }
  }

 private:
  void invoke(const Step& step) {
    const Operation& operation = history_.operations[step.operation];
    if (operation.op == zkwire::OpCode::close_session) {
      sessions_[operation.session].close_asked = true;
    }
  }

  void complete(const Operation& operation) {
    if (operation.header.zxid > 0 && is_write(operation.op)) {
      LivingSession& session = sessions_[operation.session];
      const Instant sent = history_.steps[operation.invoked_step].at;
      session.written = std::max(session.written.value_or(sent), sent);
    }
  }

  void expired(const Step& step) {
    const LivingSession& session = sessions_[step.session];
    if (session.close_asked || session.timeout <= Duration()) {
      return;
    }
    const Duration least = session.timeout * 9 / 10;
    if (session.written.has_value() && step.at - *session.written < least) {
      findings_.add(fmt::format(
          "sessions: {:#x} of client {} ended {} ms after it was heard, its timeout is {} ms",
          step.session, step.client, (step.at - *session.written).millis(),
          session.timeout.millis()));
    }
    if (!history_.calm_from.has_value()) {
      return;
    }
    // It pinged until it was cut off, six times in a timeout.
    const Instant from = std::max(session.connected, *history_.calm_from);
    const bool pinged = session.disconnected - from > session.timeout / 3;
    if (pinged && step.at - session.disconnected < session.timeout / 3) {
      findings_.add(fmt::format("sessions: {:#x} of client {} ended while it pinged, in the calm",
                                step.session, step.client));
    }
  }

  const History& history_;
  Findings& findings_;
  std::map<std::int64_t, LivingSession> sessions_;
};

}  // namespace

void check_sessions(const History& history, Findings& findings) {
  SessionCheck(history, findings).run();
}

}  // namespace synod::sim::coordination
