// One resource of an agent: an amount, and everything that says for whom and what it is.
//
// Source      mesos.md 9.3 (identity), 9.4 (reservations), 9.5 (disk); always the
//             post-refinement form: a stack of reservations, never `role` and `reservation`.
// Purity      Plain values. No protobuf, no floating point.
// Memory      Names of at most 15 bytes ("cpus", "mem", most roles) need no allocation; what only
//             disks have is kept apart, since bags of resources are copied all the time.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/boxed.h"
#include "resources/value.h"

namespace synod::resources {

struct Label {
  std::string key;
  std::optional<std::string> value;

  friend auto operator<=>(const Label&, const Label&) = default;
};

// One entry of the stack; a later entry's role lies below the earlier one's.
struct Reservation {
  enum class Type : std::uint8_t { fixed = 1, dynamic = 2 };  // STATIC, DYNAMIC of the protocol

  Type type = Type::fixed;
  std::string role;
  std::string principal;  // "" is absent
  std::vector<Label> labels;

  friend auto operator<=>(const Reservation&, const Reservation&) = default;
};

// Where disk space comes from; `root` without a source is the work directory's file system.
struct DiskSource {
  enum class Type : std::uint8_t { path = 1, mount = 2, block = 3, raw = 4 };

  Type type = Type::path;
  std::string root;
  std::string id;
  std::string vendor;
  std::string profile;
  std::vector<Label> metadata;

  friend auto operator<=>(const DiskSource&, const DiskSource&) = default;
};

struct Persistence {
  std::string id;
  std::string principal;

  friend auto operator<=>(const Persistence&, const Persistence&) = default;
};

struct Disk {
  std::optional<DiskSource> source;
  std::optional<Persistence> persistence;  // set: a persistent volume
  std::string container_path;              // of the volume
  bool read_only = false;                  // mode RO instead of RW

  friend auto operator<=>(const Disk&, const Disk&) = default;
};

struct Resource {
  std::string name;  // "cpus", "mem", "disk", "ports", "gpus", or any other
  Value value = Milli{0};
  std::vector<Reservation> reservations;  // empty: unreserved
  Boxed<Disk> disk;
  std::string provider_id;      // "": the agent itself
  std::string allocation_role;  // "": not allocated
  bool revocable = false;
  bool shared = false;
  std::uint32_t copies = 1;  // of a shared resource: how often it is held; else always 1

  bool is_scalar() const { return std::holds_alternative<Milli>(value); }
  Milli scalar() const { return is_scalar() ? std::get<Milli>(value) : 0; }
  bool is_reserved() const { return !reservations.empty(); }
  // The role of the innermost reservation, "*" if none.
  std::string_view reserved_role() const;
  bool is_persistent_volume() const { return disk && disk->persistence; }
  // A disk that is used as a whole or not at all (MOUNT, BLOCK), or a volume.
  bool is_exclusive() const;

  friend bool operator==(const Resource&, const Resource&) = default;
};

// Order of everything but the amount and the copies: what may be merged compares equal.
std::strong_ordering compare_identity(const Resource& a, const Resource& b);

// The same answer as compare_identity(a, b) == 0, sooner.
bool same_identity(const Resource& a, const Resource& b);

// May the amounts of a and b, equal in identity, become one resource? Exclusive ones may not.
bool is_addable(const Resource& a, const Resource& b);

// Unreserved, or reserved to the role or to an ancestor of it.
bool is_allocatable_to(const Resource& resource, std::string_view role);

// nullopt if the resource may exist, else what is wrong with it, as a sentence without a stop.
std::optional<std::string> resource_error(const Resource& resource);

// "cpus(eng):2"; reservations are joined by ';' and dynamic ones marked "dynamic",
// "disk(eng,dynamic)[volume id:path]:64", "cpus{REV}:1".
std::string to_string(const Resource& resource);
std::ostream& operator<<(std::ostream& out, const Resource& resource);

// Shorthands for scalars and ports.
Resource scalar_resource(std::string_view name, Milli amount);
Resource ranges_resource(std::string_view name, Ranges ranges);

}  // namespace synod::resources
