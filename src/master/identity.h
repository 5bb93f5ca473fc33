// Who a master is: what it writes into the election path and reads of others.
//
// Source   mesos.md 13.1: the candidate's data is JSON of MasterInfo. Ours has one member more,
//          "synod", which everybody else ignores.
// Memory   Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/instant.h"

namespace mesos::v1 {
class MasterInfo;
}

namespace synod::master {

struct Identity {
  std::string id;        // a random UUID per process
  std::string hostname;  // as it is advertised
  std::string ip;        // numeric
  std::uint16_t port = 0;
  std::int64_t pid = 0;  // of the process; 0: not known (not one of ours)
  WallTime started;

  friend bool operator==(const Identity&, const Identity&) = default;
};

// "127.0.0.1:5050": how people and redirects name it.
std::string address_of(const Identity& identity);

std::string version_text();  // "1.11.0": of the API, which clients compare

void fill(const Identity& identity, ::mesos::v1::MasterInfo& out);
std::string candidate_data(const Identity& identity);
// nullopt if it is no MasterInfo.
std::optional<Identity> read_candidate_data(ByteView data);

}  // namespace synod::master
