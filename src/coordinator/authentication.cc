#include "coordinator/authentication.h"

#include <openssl/evp.h>

#include <array>

#include "base/check.h"

namespace synod::coordinator {
namespace {

std::string base64(std::string_view bytes) {
  // Four characters for three bytes, and the terminator that OpenSSL writes.
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string sha1(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int done =
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr);
  SYNOD_CHECK(done == 1);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace

std::string digest_identity(std::string_view user_and_password) {
  return std::string(user_and_password.substr(0, user_and_password.find(':'))) + ":" +
         base64(sha1(user_and_password));
}

zkwire::Id address_identity(std::string_view host) {
  constexpr std::string_view mapped = "::ffff:";
  if (host.substr(0, mapped.size()) == mapped && host.find('.') != std::string_view::npos) {
    host.remove_prefix(mapped.size());
  }
  return {"ip", std::string(host)};
}

std::optional<std::vector<zkwire::Id>> authenticate(const zkwire::AuthRequest& request,
                                                    std::string_view host,
                                                    const AuthenticationOptions& options) {
  if (request.scheme == "ip") {
    return std::vector<zkwire::Id>{address_identity(host)};
  }
  if (request.scheme != "digest" || !options.digest_enabled) {
    return std::nullopt;
  }
  std::vector<zkwire::Id> ids;
  std::string id = digest_identity(request.auth.value_or(Bytes()));
  if (!options.super_digest.empty() && id == options.super_digest) {
    ids.push_back({"super", ""});
  }
  ids.push_back({"digest", std::move(id)});
  return ids;
}

std::string user_of(const zkwire::Id& identity) {
  return identity.scheme == "digest" ? identity.id.substr(0, identity.id.find(':')) : identity.id;
}

}  // namespace synod::coordinator
