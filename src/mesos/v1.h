// The Mesos v1 messages under the name `mesos::v1` inside namespace synod, where the plain name
// would find synod::mesos and stop. The headers of single APIs are included where they are used.
//
// Memory: mesos.pb.h is large; include this in .cc files, and forward-declare in headers.
#pragma once

#include "mesos/v1/mesos.pb.h"

namespace synod::mesos {
namespace v1 = ::mesos::v1;
}  // namespace synod::mesos
