// Calls of frameworks: the rules on their form, and what the core hears of them.
//
// Source   mesos.md 1.4 (row 7), 2.1.
#pragma once

#include <optional>
#include <string>

#include "master/core/events.h"

namespace mesos::v1 {
class FrameworkInfo;
namespace scheduler {
class Call;
}
}  // namespace mesos::v1

namespace synod::master {

// nullopt if the call is well formed, else what the 400 says.
std::optional<std::string> call_error(const ::mesos::v1::scheduler::Call& call);

// Preconditions: call_error() found nothing; the type is SUBSCRIBE.
core::Subscribe subscription_of(const ::mesos::v1::scheduler::Call& call, core::Stream stream);

// The event of any other call; nullopt for those that are answered 202 and have no effect here
// (REQUEST, inverse offers, operation acknowledgements). Precondition: call_error() found nothing.
std::optional<core::EventBody> event_of(const ::mesos::v1::scheduler::Call& call);
// False: of a type that this master does not know (501).
bool is_known(const ::mesos::v1::scheduler::Call& call);

core::FrameworkInfo framework_info_of(const ::mesos::v1::FrameworkInfo& info);

}  // namespace synod::master
