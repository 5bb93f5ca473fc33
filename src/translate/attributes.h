// Attributes of agents: the protocol's to those of `resources`, and back.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include "base/result.h"
#include "resources/text.h"

namespace mesos::v1 {
class Attribute;
}

namespace synod::translate {

using AttributeMessages = google::protobuf::RepeatedPtrField<::mesos::v1::Attribute>;

// Error: invalid_argument if type and value disagree.
Result<resources::Attributes> attributes_from(const AttributeMessages& messages);
void append_attributes(const resources::Attributes& attributes, AttributeMessages& out);

}  // namespace synod::translate
