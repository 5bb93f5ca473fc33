// Who a client is, as far as its connection can tell: identities are computed here, at the edge,
// and travel with each of its writes.
//
// Source  Apache ZooKeeper 3.9.5: IPAuthenticationProvider, DigestAuthenticationProvider.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zkwire/records.h"

namespace synod::coordinator {

struct AuthenticationOptions {
  bool digest_enabled = true;
  std::string super_digest;  // "super:base64"; empty: nobody
};

// user:base64(SHA1("user:password")) of "user:password".
std::string digest_identity(std::string_view user_and_password);

// Every connection has the identity of its address. IPv4 inside IPv6 counts as IPv4.
zkwire::Id address_identity(std::string_view host);

// What an auth request adds; nullopt if it fails. Nothing is added twice.
std::optional<std::vector<zkwire::Id>> authenticate(const zkwire::AuthRequest& request,
                                                    std::string_view host,
                                                    const AuthenticationOptions& options);

// The user of an identity, as whoAmI shows it.
std::string user_of(const zkwire::Id& identity);

}  // namespace synod::coordinator
