// The service scheduler as commands see it (docs/formats/cluster-view.md, /synod/v1/services).
#pragma once

#include <string>

#include "cli/session.h"
#include "http/json.h"

namespace synod::cli {

// GET /synod/v1/services of whoever leads; `app` empty: all.
Result<http::Json> ask_services(Session& session, const Target& target, const std::string& app);

// One app's entry with `now_at_ms` added; not_found if it is not wanted (any more).
Result<http::Json> find_app(Session& session, const Target& target, const std::string& app);

// Any request to the scheduler, redirects followed. The answer's status is not judged.
Result<http::Response> call_services(Session& session, const Target& target, http::Request request);

// Why instances of the app wait for an offer, in words; empty if none waits.
std::string why_waiting(Session& session, const Target& target, const http::Json& app);

}  // namespace synod::cli
