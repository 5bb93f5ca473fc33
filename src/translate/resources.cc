#include "translate/resources.h"

#include "base/limits.h"
#include "mesos/encoding.h"
#include "mesos/v1.h"
#include "resources/text.h"
#include "translate/amounts.h"

namespace synod::translate {

namespace {

using mesos::v1::Labels;
using ReservationInfo = mesos::v1::Resource::ReservationInfo;
using SourceInfo = mesos::v1::Resource::DiskInfo::Source;

Error invalid(const mesos::v1::Resource& message, const std::string& what) {
  return Error{ErrorCode::invalid_argument, "resource '" + message.name() + "': " + what};
}

std::vector<resources::Label> labels_from(const Labels& message) {
  std::vector<resources::Label> labels;
  for (const auto& label : message.labels()) {
    labels.push_back(
        {label.key(), label.has_value() ? std::optional(label.value()) : std::nullopt});
  }
  return labels;
}

void labels_to(const std::vector<resources::Label>& labels, Labels& out) {
  for (const auto& label : labels) {
    auto* added = out.add_labels();
    added->set_key(label.key);
    if (label.value) {
      added->set_value(*label.value);
    }
  }
}

Result<resources::Ranges> ranges_from(const mesos::v1::Value::Ranges& message) {
  if (static_cast<std::size_t>(message.range_size()) > limits::ranges_per_resource_max) {
    return Error{ErrorCode::invalid_argument,
                 "more than " + std::to_string(limits::ranges_per_resource_max) + " ranges"};
  }
  std::vector<resources::Range> ranges;
  for (const auto& range : message.range()) {
    if (range.begin() > range.end()) {
      return Error{ErrorCode::invalid_argument, "a range that ends before it begins"};
    }
    ranges.push_back({range.begin(), range.end()});
  }
  return resources::Ranges(std::move(ranges));
}

Result<resources::Value> value_from(const mesos::v1::Resource& message) {
  const int members =
      (message.has_scalar() ? 1 : 0) + (message.has_ranges() ? 1 : 0) + (message.has_set() ? 1 : 0);
  if (members != 1) {
    return invalid(message, "needs exactly one of scalar, ranges and set");
  }
  if (message.type() == mesos::v1::Value::SCALAR && message.has_scalar()) {
    auto amount = milli_from_double(message.scalar().value());
    return amount.ok() ? Result<resources::Value>(*amount)
                       : invalid(message, amount.error().message);
  }
  if (message.type() == mesos::v1::Value::RANGES && message.has_ranges()) {
    auto ranges = ranges_from(message.ranges());
    return ranges.ok() ? Result<resources::Value>(*std::move(ranges))
                       : invalid(message, ranges.error().message);
  }
  if (message.type() == mesos::v1::Value::SET && message.has_set()) {
    return resources::Value(resources::NameSet(
        std::vector<std::string>(message.set().item().begin(), message.set().item().end())));
  }
  return invalid(message, "the type does not agree with the value");
}

Result<resources::Reservation> reservation_from(const mesos::v1::Resource& message,
                                                const ReservationInfo& info) {
  resources::Reservation out;
  if (info.type() == ReservationInfo::STATIC) {
    out.type = resources::Reservation::Type::fixed;
  } else if (info.type() == ReservationInfo::DYNAMIC) {
    out.type = resources::Reservation::Type::dynamic;
  } else {
    return invalid(message, "a reservation without a type");
  }
  if (!info.has_role()) {
    return invalid(message, "a reservation without a role");
  }
  out.role = info.role();
  out.principal = info.principal();
  out.labels = labels_from(info.labels());
  return out;
}

Status reservations_from(const mesos::v1::Resource& message, resources::Resource& out) {
  if (message.reservations_size() > 0) {
    if (message.has_role() || message.has_reservation()) {
      return invalid(message, "both formats of reservation at once");
    }
    for (const auto& info : message.reservations()) {
      SYNOD_TRY_ASSIGN(auto reservation, reservation_from(message, info));
      out.reservations.push_back(std::move(reservation));
    }
    return {};
  }
  if (message.role() == resources::default_role) {
    return message.has_reservation() ? Status(invalid(message, "role '*' cannot be reserved"))
                                     : Status{};
  }
  resources::Reservation reservation;
  reservation.role = message.role();
  if (message.has_reservation()) {
    if (message.reservation().has_type() || message.reservation().has_role()) {
      return invalid(message, "both formats of reservation at once");
    }
    reservation.type = resources::Reservation::Type::dynamic;
    reservation.principal = message.reservation().principal();
    reservation.labels = labels_from(message.reservation().labels());
  }
  out.reservations.push_back(std::move(reservation));
  return {};
}

Result<resources::DiskSource> source_from(const mesos::v1::Resource& message,
                                          const SourceInfo& info) {
  using Type = resources::DiskSource::Type;
  resources::DiskSource out;
  switch (info.type()) {
    case SourceInfo::PATH:
      out.type = Type::path;
      out.root = info.path().root();
      break;
    case SourceInfo::MOUNT:
      out.type = Type::mount;
      out.root = info.mount().root();
      break;
    case SourceInfo::BLOCK: out.type = Type::block; break;
    case SourceInfo::RAW: out.type = Type::raw; break;
    case SourceInfo::UNKNOWN: return invalid(message, "a disk source without a type");
  }
  out.id = info.id();
  out.vendor = info.vendor();
  out.profile = info.profile();
  out.metadata = labels_from(info.metadata());
  return out;
}

Status disk_from(const mesos::v1::Resource& message, resources::Resource& out) {
  if (!message.has_disk()) {
    return {};
  }
  const auto& info = message.disk();
  resources::Disk disk;
  if (info.has_source()) {
    SYNOD_TRY_ASSIGN(disk.source, source_from(message, info.source()));
  }
  if (info.has_persistence()) {
    disk.persistence =
        resources::Persistence{info.persistence().id(), info.persistence().principal()};
    if (!info.has_volume()) {
      return invalid(message, "persistence without a volume");
    }
  }
  if (info.has_volume()) {
    if (info.volume().has_host_path() || info.volume().has_image() || info.volume().has_source()) {
      return invalid(message, "a volume of a disk may name a container path only");
    }
    disk.container_path = info.volume().container_path();
    disk.read_only = info.volume().mode() == mesos::v1::Volume::RO;
  }
  out.disk = std::move(disk);
  return {};
}

void value_to(const resources::Value& value, mesos::v1::Resource& out) {
  if (const auto* amount = std::get_if<resources::Milli>(&value)) {
    out.set_type(mesos::v1::Value::SCALAR);
    out.mutable_scalar()->set_value(milli_to_double(*amount));
  } else if (const auto* ranges = std::get_if<resources::Ranges>(&value)) {
    out.set_type(mesos::v1::Value::RANGES);
    auto* message = out.mutable_ranges();
    for (const auto& interval : ranges->intervals()) {
      auto* range = message->add_range();
      range->set_begin(interval.begin);
      range->set_end(interval.end);
    }
  } else {
    out.set_type(mesos::v1::Value::SET);
    auto* message = out.mutable_set();
    for (const auto& item : std::get<resources::NameSet>(value).items()) {
      message->add_item(item);
    }
  }
}

void source_to(const resources::DiskSource& source, SourceInfo& out) {
  using Type = resources::DiskSource::Type;
  switch (source.type) {
    case Type::path:
      out.set_type(SourceInfo::PATH);
      out.mutable_path()->set_root(source.root);
      break;
    case Type::mount:
      out.set_type(SourceInfo::MOUNT);
      out.mutable_mount()->set_root(source.root);
      break;
    case Type::block: out.set_type(SourceInfo::BLOCK); break;
    case Type::raw: out.set_type(SourceInfo::RAW); break;
  }
  if (!source.id.empty()) {
    out.set_id(source.id);
  }
  if (!source.vendor.empty()) {
    out.set_vendor(source.vendor);
  }
  if (!source.profile.empty()) {
    out.set_profile(source.profile);
  }
  if (!source.metadata.empty()) {
    labels_to(source.metadata, *out.mutable_metadata());
  }
}

void disk_to(const resources::Disk& disk, mesos::v1::Resource::DiskInfo& out) {
  if (disk.source) {
    source_to(*disk.source, *out.mutable_source());
  }
  if (disk.persistence) {
    out.mutable_persistence()->set_id(disk.persistence->id);
    if (!disk.persistence->principal.empty()) {
      out.mutable_persistence()->set_principal(disk.persistence->principal);
    }
  }
  if (!disk.container_path.empty()) {
    out.mutable_volume()->set_mode(disk.read_only ? mesos::v1::Volume::RO : mesos::v1::Volume::RW);
    out.mutable_volume()->set_container_path(disk.container_path);
  }
}

void reservation_to(const resources::Reservation& reservation, bool named, ReservationInfo& out) {
  if (named) {
    out.set_type(reservation.type == resources::Reservation::Type::dynamic
                     ? ReservationInfo::DYNAMIC
                     : ReservationInfo::STATIC);
    out.set_role(reservation.role);
  }
  if (!reservation.principal.empty()) {
    out.set_principal(reservation.principal);
  }
  if (!reservation.labels.empty()) {
    labels_to(reservation.labels, *out.mutable_labels());
  }
}

void reservations_to(const resources::Resource& resource, Format format, mesos::v1::Resource& out) {
  if (format != Format::pre_refinement) {
    for (const auto& reservation : resource.reservations) {
      reservation_to(reservation, true, *out.add_reservations());
    }
  }
  if (format != Format::post_refinement && resource.reservations.size() <= 1) {
    out.set_role(std::string(resource.reserved_role()));
    if (resource.is_reserved() &&
        resource.reservations[0].type == resources::Reservation::Type::dynamic) {
      reservation_to(resource.reservations[0], false, *out.mutable_reservation());
    }
  }
}

}  // namespace

Result<resources::Resource> resource_from(const mesos::v1::Resource& message) {
  resources::Resource out;
  out.name = message.name();
  SYNOD_TRY_ASSIGN(out.value, value_from(message));
  SYNOD_TRY(reservations_from(message, out));
  SYNOD_TRY(disk_from(message, out));
  out.provider_id = message.provider_id().value();
  out.allocation_role = message.allocation_info().role();
  out.revocable = message.has_revocable();
  out.shared = message.has_shared();
  if (!resources::is_empty(out.value)) {
    if (auto error = resources::resource_error(out)) {
      return invalid(message, *error);
    }
  }
  return out;
}

Result<resources::Resources> resources_from(const ResourceMessages& messages) {
  std::vector<resources::Resource> items;
  items.reserve(static_cast<std::size_t>(messages.size()));
  for (const auto& message : messages) {
    SYNOD_TRY_ASSIGN(auto item, resource_from(message));
    if (!resources::is_empty(item.value)) {
      items.push_back(std::move(item));
    }
  }
  return resources::Resources(items);
}

void append_resource(const resources::Resource& resource, Format format, ResourceMessages& out) {
  if (format == Format::pre_refinement && resource.reservations.size() > 1) {
    return;
  }
  for (std::uint32_t copy = 0; copy < resource.copies; ++copy) {
    mesos::v1::Resource& message = *out.Add();
    message.set_name(resource.name);
    value_to(resource.value, message);
    reservations_to(resource, format, message);
    if (resource.disk) {
      disk_to(*resource.disk, *message.mutable_disk());
    }
    if (!resource.provider_id.empty()) {
      message.mutable_provider_id()->set_value(resource.provider_id);
    }
    if (!resource.allocation_role.empty()) {
      message.mutable_allocation_info()->set_role(resource.allocation_role);
    }
    if (resource.revocable) {
      message.mutable_revocable();
    }
    if (resource.shared) {
      message.mutable_shared();
    }
  }
}

void append_resources(const resources::Resources& resources, Format format, ResourceMessages& out) {
  for (const auto& resource : resources) {
    append_resource(resource, format, out);
  }
}

Result<resources::Resources> parse_resources_flag(std::string_view text,
                                                  std::string_view role_otherwise) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '[') {
    return resources::parse_resources(text, role_otherwise);
  }
  SYNOD_TRY_ASSIGN(const auto document, mesos::parse_json(text));
  ResourceMessages messages;
  for (const auto& item : document.items) {
    mesos::v1::Resource& message = *messages.Add();
    SYNOD_TRY(mesos::from_json(item, message));
    if (!message.IsInitialized()) {
      return Error{ErrorCode::invalid_argument,
                   "missing required fields: " + message.InitializationErrorString()};
    }
    if (message.reservations_size() == 0 && !message.has_role()) {
      message.set_role(std::string(role_otherwise));
    }
  }
  SYNOD_TRY_ASSIGN(auto all, resources_from(messages));
  for (const auto& item : all) {
    const bool dynamic = item.is_reserved() &&
                         item.reservations.back().type == resources::Reservation::Type::dynamic;
    if (dynamic || item.is_persistent_volume() || item.revocable || item.shared) {
      return Error{ErrorCode::invalid_argument,
                   "dynamic reservations, volumes, shared and revocable resources cannot be given "
                   "on the command line: " +
                       resources::to_string(item)};
    }
  }
  return all;
}

}  // namespace synod::translate
