// A server that does almost nothing: the limit to come near.
//
// One thread, one epoll, one hash map, the frames of ZooKeeper's protocol; no order between
// sessions, no watches, no access control, no expiry, no recovery. What all ready connections wrote
// in one turn of epoll becomes durable with one write (O_DIRECT and O_DSYNC into a file filled
// ahead), before any of that turn's replies leave.
#pragma once

#include <string>

namespace synod::bench {

// Serves on 127.0.0.1:port until SIGTERM; its log lies in `directory`. The exit code.
int serve_nothing(int port, const std::string& directory);

}  // namespace synod::bench
