#include "resources/resource.h"

#include "base/limits.h"
#include "resources/role.h"

namespace synod::resources {

std::string_view Resource::reserved_role() const {
  return reservations.empty() ? default_role : std::string_view(reservations.back().role);
}

bool Resource::is_exclusive() const {
  if (!disk) {
    return false;
  }
  if (disk->persistence) {
    return true;
  }
  if (!disk->source) {
    return false;
  }
  const DiskSource& source = *disk->source;
  return source.type == DiskSource::Type::mount || source.type == DiskSource::Type::block ||
         (source.type == DiskSource::Type::raw && !source.id.empty());
}

std::strong_ordering compare_identity(const Resource& a, const Resource& b) {
  if (const auto order = a.name <=> b.name; order != 0) {
    return order;
  }
  if (const auto order = a.value.index() <=> b.value.index(); order != 0) {
    return order;
  }
  if (const auto order = a.reservations <=> b.reservations; order != 0) {
    return order;
  }
  if (const auto order = a.disk <=> b.disk; order != 0) {
    return order;
  }
  if (const auto order = a.allocation_role <=> b.allocation_role; order != 0) {
    return order;
  }
  if (const auto order = a.provider_id <=> b.provider_id; order != 0) {
    return order;
  }
  if (const auto order = a.revocable <=> b.revocable; order != 0) {
    return order;
  }
  return a.shared <=> b.shared;
}

bool same_identity(const Resource& a, const Resource& b) {
  return a.name == b.name && a.value.index() == b.value.index() && a.revocable == b.revocable &&
         a.shared == b.shared && a.reservations == b.reservations && a.disk == b.disk &&
         a.allocation_role == b.allocation_role && a.provider_id == b.provider_id;
}

bool is_addable(const Resource& a, const Resource& b) {
  if (!same_identity(a, b)) {
    return false;
  }
  // Copies of one shared volume are the same thing held twice; anything else exclusive is two.
  return a.shared ? a.value == b.value : !a.is_exclusive();
}

bool is_allocatable_to(const Resource& resource, std::string_view role) {
  if (!resource.is_reserved()) {
    return true;
  }
  const std::string_view reserved = resource.reserved_role();
  return reserved == role || is_ancestor_role(reserved, role);
}

namespace {

std::optional<std::string> reservations_error(const Resource& resource) {
  const Reservation* outer = nullptr;
  for (const Reservation& entry : resource.reservations) {
    if (entry.role == default_role) {
      return "resource '" + resource.name + "' is reserved to '*'";
    }
    if (auto error = role_error(entry.role)) {
      return error;
    }
    if (outer != nullptr && entry.type == Reservation::Type::fixed) {
      return "resource '" + resource.name + "' refines a reservation by a static one";
    }
    if (outer != nullptr && !is_ancestor_role(outer->role, entry.role)) {
      return "resource '" + resource.name + "' refines the reservation to '" + outer->role +
             "' by '" + entry.role + "', which does not lie below it";
    }
    outer = &entry;
  }
  return std::nullopt;
}

std::optional<std::string> disk_error(const Resource& resource) {
  if (!resource.disk) {
    return std::nullopt;
  }
  if (resource.name != "disk" || !resource.is_scalar()) {
    return "resource '" + resource.name + "' carries disk information but is no scalar 'disk'";
  }
  if (!resource.disk->persistence) {
    return std::nullopt;
  }
  if (!resource.is_reserved()) {
    return "persistent volume '" + resource.disk->persistence->id + "' is not reserved";
  }
  if (resource.disk->persistence->id.empty()) {
    return "a persistent volume needs an id";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> resource_error(const Resource& resource) {
  if (resource.name.empty()) {
    return "a resource needs a name";
  }
  if (resource.is_scalar() && resource.scalar() < 0) {
    return "resource '" + resource.name + "' is negative";
  }
  if (resource.is_scalar() && resource.scalar() > milli_max) {
    return "resource '" + resource.name + "' is larger than " + milli_to_string(milli_max);
  }
  if (const Ranges* ranges = std::get_if<Ranges>(&resource.value);
      ranges != nullptr && ranges->intervals().size() > limits::ranges_per_resource_max) {
    return "resource '" + resource.name + "' has more than " +
           std::to_string(limits::ranges_per_resource_max) + " ranges";
  }
  if (resource.name == "gpus" && resource.scalar() % 1000 != 0) {
    return "resource 'gpus' is not a whole number";
  }
  if (resource.shared && !resource.is_persistent_volume()) {
    return "resource '" + resource.name + "' is shared but no persistent volume";
  }
  if (resource.copies == 0 || (!resource.shared && resource.copies != 1)) {
    return "resource '" + resource.name + "' has a wrong number of copies";
  }
  if (auto error = reservations_error(resource)) {
    return error;
  }
  return disk_error(resource);
}

std::string to_string(const Resource& resource) {
  std::string text = resource.name;
  if (resource.is_reserved()) {
    text += "(";
    for (const Reservation& entry : resource.reservations) {
      text += (&entry == &resource.reservations.front() ? "" : ";") + entry.role;
      text += entry.type == Reservation::Type::dynamic ? ",dynamic" : "";
      text += entry.principal.empty() ? "" : "," + entry.principal;
    }
    text += ")";
  }
  if (resource.disk) {
    const Disk& disk = *resource.disk;
    text += "[";
    if (disk.source) {
      static constexpr const char* types[] = {"", "path", "mount", "block", "raw"};
      text += types[static_cast<int>(disk.source->type)];
      text += " " + disk.source->root + disk.source->id;
    }
    if (disk.persistence) {
      text += std::string(disk.source ? "," : "") + "volume " + disk.persistence->id + ":" +
              disk.container_path + (disk.read_only ? ":ro" : "");
    }
    text += "]";
  }
  text += resource.revocable ? "{REV}" : "";
  text += resource.shared ? "<" + std::to_string(resource.copies) + ">" : "";
  text += resource.allocation_role.empty() ? "" : "@" + resource.allocation_role;
  return text + ":" + to_string(resource.value);
}

std::ostream& operator<<(std::ostream& out, const Resource& resource) {
  return out << to_string(resource);
}

Resource scalar_resource(std::string_view name, Milli amount) {
  Resource resource;
  resource.name = name;
  resource.value = amount;
  return resource;
}

Resource ranges_resource(std::string_view name, Ranges ranges) {
  Resource resource;
  resource.name = name;
  resource.value = std::move(ranges);
  return resource;
}

}  // namespace synod::resources
