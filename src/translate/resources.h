// Resources of the protocol to those of `resources`, and back.
//
// A resource comes in one of two formats of reservation (mixing them in one resource is an error)
// and is kept in the newer one. How it leaves depends on the reader: frameworks without
// RESERVATION_REFINEMENT get the older one and never see what it cannot express.
//
// Source   mesos.md 9.3 to 9.5.
// Errors   invalid_argument with the reason. Everything that resources::resource_error refuses is
//          refused here too.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "resources/resources.h"
#include "resources/role.h"

namespace mesos::v1 {
class Resource;
}

namespace synod::translate {

using ResourceMessages = google::protobuf::RepeatedPtrField<::mesos::v1::Resource>;

Result<resources::Resource> resource_from(const ::mesos::v1::Resource& message);
// Merged; zero amounts disappear. At most limits::ranges_per_resource_max intervals each.
Result<resources::Resources> resources_from(const ResourceMessages& messages);

enum class Format {
  post_refinement,  // a stack of reservations
  pre_refinement,   // role, and reservation where dynamic
  endpoint,         // both where both can say it: what operators read
};

// Appends. A shared resource held n times becomes n messages; what `format` cannot express none.
void append_resource(const resources::Resource& resource, Format format, ResourceMessages& out);
void append_resources(const resources::Resources& resources, Format format, ResourceMessages& out);

// The value of --resources: the text form, or a JSON array of Resource. Refuses dynamic
// reservations, volumes, shared and revocable ones.
Result<resources::Resources> parse_resources_flag(
    std::string_view text, std::string_view role_otherwise = resources::default_role);

}  // namespace synod::translate
