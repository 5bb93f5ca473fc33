#include "machine/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace synod::machine {

class TlsContext {
 public:
  TlsContext(SSL_CTX* context, TlsRole role) : context_(context), role_(role) {}
  ~TlsContext() { SSL_CTX_free(context_); }
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* get() const { return context_; }
  TlsRole role() const { return role_; }

 private:
  SSL_CTX* context_;
  TlsRole role_;
};

namespace {

Error tls_error(const std::string& what) {
  const unsigned long number = ERR_get_error();
  ERR_clear_error();
  char text[256] = "connection ended";
  if (number != 0) {
    ERR_error_string_n(number, text, sizeof(text));
  }
  return Error{ErrorCode::io, what + ": " + text};
}

Status load(SSL_CTX* context, const ports::Tls& tls, TlsRole role) {
  if (!tls.certificate_path.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context, tls.certificate_path.c_str()) != 1) {
      return tls_error("certificate " + tls.certificate_path);
    }
    const std::string& key = tls.key_path.empty() ? tls.certificate_path : tls.key_path;
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
      return tls_error("key " + key);
    }
  } else if (role == TlsRole::server) {
    return Error{ErrorCode::invalid_argument, "TLS: a server needs a certificate"};
  }
  if (!tls.authority_path.empty()) {
    if (SSL_CTX_load_verify_locations(context, tls.authority_path.c_str(), nullptr) != 1) {
      return tls_error("authority " + tls.authority_path);
    }
  } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
    return tls_error("system authorities");
  }
  int verify = SSL_VERIFY_PEER;
  if (role == TlsRole::server) {
    verify = tls.require_peer_certificate ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
             : tls.authority_path.empty() ? SSL_VERIFY_NONE
                                          : SSL_VERIFY_PEER;
  }
  SSL_CTX_set_verify(context, verify, nullptr);
  return {};
}

class OpenSslTransport final : public TlsTransport {
 public:
  OpenSslTransport(std::shared_ptr<TlsContext> context, Descriptor socket)
      : context_(std::move(context)), socket_(std::move(socket)), ssl_(SSL_new(context_->get())) {
    SSL_set_fd(ssl_, socket_.get());
    if (context_->role() == TlsRole::server) {
      SSL_set_accept_state(ssl_);
    } else {
      SSL_set_connect_state(ssl_);
    }
  }

  ~OpenSslTransport() override { SSL_free(ssl_); }

  int descriptor() const override { return socket_.get(); }

  IoResult handshake() override {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    return result == 1 ? IoResult{} : outcome(result, "TLS handshake");
  }

  std::string peer_subject() const override {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    if (certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK) {
      X509_free(certificate);
      return "";
    }
    BIO* text = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
                       XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(text, &bytes);
    std::string subject(bytes, static_cast<std::size_t>(size));
    BIO_free(text);
    X509_free(certificate);
    return subject;
  }

  IoResult read(char* target, std::size_t size) override {
    ERR_clear_error();
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_, target, size, &got);
    return result == 1 ? IoResult{IoResult::Kind::done, got, {}} : outcome(result, "TLS read");
  }

  // One piece at a time: a write to be repeated must show the same bytes again.
  IoResult write(std::span<const iovec> pieces) override {
    ERR_clear_error();
    std::size_t sent = 0;
    const int result = SSL_write_ex(ssl_, pieces[0].iov_base, pieces[0].iov_len, &sent);
    return result == 1 ? IoResult{IoResult::Kind::done, sent, {}} : outcome(result, "TLS write");
  }

  void shutdown_write() override {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
    ::shutdown(socket_.get(), SHUT_WR);
  }

  bool has_pending() const override { return SSL_pending(ssl_) > 0; }
  bool resets_on_close() const override { return true; }

 private:
  IoResult outcome(int result, const char* what) {
    const int number = errno;
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ: return IoResult{IoResult::Kind::want_read, 0, {}};
      case SSL_ERROR_WANT_WRITE: return IoResult{IoResult::Kind::want_write, 0, {}};
      case SSL_ERROR_ZERO_RETURN: return IoResult{IoResult::Kind::end_of_file, 0, {}};
      case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0) {
          return io_failed(number == 0 ? ECONNRESET : number, what);
        }
        break;
      default: break;
    }
    return IoResult{IoResult::Kind::failed, 0, tls_error(what)};
  }

  std::shared_ptr<TlsContext> context_;  // shared by all connections of one listener
  Descriptor socket_;
  SSL* ssl_;
};

}  // namespace

Result<std::shared_ptr<TlsContext>> make_tls_context(const ports::Tls& tls, TlsRole role) {
  SSL_CTX* raw = SSL_CTX_new(role == TlsRole::server ? TLS_server_method() : TLS_client_method());
  if (raw == nullptr) {
    return tls_error("TLS");
  }
  auto context = std::make_shared<TlsContext>(raw, role);
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SYNOD_TRY(load(raw, tls, role));
  return context;
}

std::unique_ptr<TlsTransport> make_tls_transport(const std::shared_ptr<TlsContext>& context,
                                                 Descriptor socket) {
  return std::make_unique<OpenSslTransport>(context, std::move(socket));
}

}  // namespace synod::machine
