#include "translate/attributes.h"

#include "mesos/v1.h"
#include "translate/amounts.h"

namespace synod::translate {

namespace {

Error disagrees(const mesos::v1::Attribute& message) {
  return Error{ErrorCode::invalid_argument,
               "attribute '" + message.name() + "': the type does not agree with the value"};
}

Result<resources::Attribute> attribute_from(const mesos::v1::Attribute& message) {
  resources::Attribute out;
  out.name = message.name();
  switch (message.type()) {
    case mesos::v1::Value::SCALAR: {
      if (!message.has_scalar()) {
        return disagrees(message);
      }
      SYNOD_TRY_ASSIGN(out.value, milli_from_double(message.scalar().value()));
      return out;
    }
    case mesos::v1::Value::RANGES: {
      std::vector<resources::Range> ranges;
      for (const auto& range : message.ranges().range()) {
        ranges.push_back({range.begin(), range.end()});
      }
      out.value = resources::Ranges(std::move(ranges));
      return message.has_ranges() ? Result<resources::Attribute>(out) : disagrees(message);
    }
    case mesos::v1::Value::SET:
      out.value = resources::NameSet(
          std::vector<std::string>(message.set().item().begin(), message.set().item().end()));
      return message.has_set() ? Result<resources::Attribute>(out) : disagrees(message);
    case mesos::v1::Value::TEXT:
      out.value = message.text().value();
      return message.has_text() ? Result<resources::Attribute>(out) : disagrees(message);
  }
  return disagrees(message);
}

}  // namespace

Result<resources::Attributes> attributes_from(const AttributeMessages& messages) {
  resources::Attributes out;
  for (const auto& message : messages) {
    SYNOD_TRY_ASSIGN(auto attribute, attribute_from(message));
    out.push_back(std::move(attribute));
  }
  return out;
}

void append_attributes(const resources::Attributes& attributes, AttributeMessages& out) {
  for (const auto& attribute : attributes) {
    mesos::v1::Attribute& message = *out.Add();
    message.set_name(attribute.name);
    if (const auto* amount = std::get_if<resources::Milli>(&attribute.value)) {
      message.set_type(mesos::v1::Value::SCALAR);
      message.mutable_scalar()->set_value(milli_to_double(*amount));
    } else if (const auto* ranges = std::get_if<resources::Ranges>(&attribute.value)) {
      message.set_type(mesos::v1::Value::RANGES);
      message.mutable_ranges();
      for (const auto& interval : ranges->intervals()) {
        auto* range = message.mutable_ranges()->add_range();
        range->set_begin(interval.begin);
        range->set_end(interval.end);
      }
    } else if (const auto* set = std::get_if<resources::NameSet>(&attribute.value)) {
      message.set_type(mesos::v1::Value::SET);
      message.mutable_set();
      for (const auto& item : set->items()) {
        message.mutable_set()->add_item(item);
      }
    } else {
      message.set_type(mesos::v1::Value::TEXT);
      message.mutable_text()->set_value(std::get<std::string>(attribute.value));
    }
  }
}

}  // namespace synod::translate
