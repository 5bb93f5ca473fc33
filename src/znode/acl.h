// Access control lists: who may do what, and which lists may be set.
//
// Source  Apache ZooKeeper 3.9.5, ZooKeeperServer.checkACL, PrepRequestProcessor.fixupACL,
//         IPAuthenticationProvider, DigestAuthenticationProvider (matching only).
// Purity  Functions of their arguments. Identities were computed at the edge.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "znode/command.h"

namespace synod::znode {

using Identities = std::vector<zkwire::Id>;

// Shared and immutable: the tree holds each distinct list once, and watch triggers carry it to
// Edges on other Lanes without copying it.
using AclRef = std::shared_ptr<const zkwire::AclList>;

// True if the identities have one of the wanted permission bits. An empty list permits all; so does
// an identity of scheme "super", and switches.skip_acl.
bool permits(const zkwire::AclList& acl, std::int32_t wanted, const Identities& identities,
             const Switches& switches);

// The list as it is stored: duplicates dropped, `auth` expanded to the caller's authenticated
// identities, every id checked. nullopt: INVALIDACL.
std::optional<zkwire::AclList> fix_acl(const zkwire::AclList& wanted, const Identities& identities,
                                       const Switches& switches);

// What a caller without ADMIN sees: digest ids lose everything from their first ':' on.
zkwire::AclList redact(zkwire::AclList acl);

// True if `address` ("10.0.0.7", "::1") lies in `range` ("10.0.0.0/8", "::1").
bool ip_matches(std::string_view address, std::string_view range);
// True if `range` may stand in an ACL of scheme ip.
bool ip_range_valid(std::string_view range);

}  // namespace synod::znode
