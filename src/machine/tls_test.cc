#include "machine/tls.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>

#include "test/real/real.h"

namespace synod::machine {
namespace {

// A self-signed certificate that is its own authority, as PEM files.
struct Identity {
  std::string certificate;
  std::string key;
};

Identity make_identity(const std::string& directory, const std::string& name) {
  Identity identity{directory + "/" + name + ".pem", directory + "/" + name + ".key"};
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Synod"), -1, -1, 0);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen(identity.certificate.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(identity.key.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

struct TlsEnd final : ports::StreamHandler {
  void on_bytes(ByteView bytes) override { heard.append(bytes); }
  void on_eof() override { stream->close(); }
  void on_closed(const Error&) override { closed = true; }
  std::unique_ptr<ports::Stream> stream;
  Bytes heard;
  bool closed = false;
};

class TlsTest : public testing::Test {
 protected:
  ~TlsTest() override {
    real.on_lane([this] {
      client.stream.reset();
      server.stream.reset();
      dial.reset();
      listener.reset();
    });
  }

  void connect(const ports::Tls& server_tls, const ports::Tls& client_tls) {
    real.on_lane([&] {
      auto& network = real.machine().network();
      auto made = network.listen(real.lane(), {"127.0.0.1", 0}, {.backlog = 8, .tls = server_tls},
                                 [this](std::unique_ptr<ports::Stream> stream) {
                                   server.stream = std::move(stream);
                                   server.stream->attach(real.lane(), server);
                                 });
      ASSERT_TRUE(made.ok()) << to_string(made.error());
      listener = std::move(made).value();
      dial = network.dial(real.lane(), listener->address(),
                          {.timeout = Duration::seconds(5), .tls = client_tls},
                          [this](Result<std::unique_ptr<ports::Stream>> result) {
                            if (!result.ok()) {
                              failure = result.error();
                              return;
                            }
                            client.stream = std::move(result).value();
                            client.stream->attach(real.lane(), client);
                          });
    });
  }

  test::TemporaryDirectory directory;
  test::Real real;
  Identity one = make_identity(directory.path(), "one");
  Identity two = make_identity(directory.path(), "two");
  std::unique_ptr<ports::Listener> listener;
  std::unique_ptr<ports::Dial> dial;
  TlsEnd client;
  TlsEnd server;
  std::optional<Error> failure;
};

TEST_F(TlsTest, bytes_pass_and_both_sides_know_each_other) {
  connect({one.certificate, one.key, two.certificate, true},
          {two.certificate, two.key, one.certificate, false});
  ASSERT_TRUE(real.eventually([&] { return (client.stream && server.stream) || failure; }));
  ASSERT_FALSE(failure.has_value()) << to_string(*failure);
  const Bytes large(3 << 20, 'z');
  real.on_lane([&] {
    EXPECT_EQ(server.stream->peer().certificate_subject, "CN=two,O=Synod");
    EXPECT_EQ(client.stream->peer().certificate_subject, "CN=one,O=Synod");
    client.stream->write("hello");
    client.stream->write(large);
    server.stream->write(large);
    server.stream->close();
  });
  ASSERT_TRUE(real.eventually([&] { return client.closed && server.closed; }));
  EXPECT_EQ(client.heard, large);
}

TEST_F(TlsTest, a_paused_reader_gets_the_rest_when_it_resumes) {
  connect({one.certificate, one.key, "", false}, {"", "", one.certificate, false});
  ASSERT_TRUE(real.eventually([&] { return client.stream && server.stream; }));
  real.on_lane([&] {
    server.stream->pause_reading();
    for (int i = 0; i < 100; ++i) {
      client.stream->write(Bytes(10'000, 'q'));
    }
  });
  ASSERT_TRUE(real.eventually([&] { return client.stream->buffered() == 0; }));
  real.on_lane([&] { server.stream->resume_reading(); });
  EXPECT_TRUE(real.eventually([&] { return server.heard.size() == 1'000'000; }));
}

TEST_F(TlsTest, a_stranger_is_refused_by_either_side) {
  connect({one.certificate, one.key, "", false}, {"", "", two.certificate, false});
  ASSERT_TRUE(real.eventually([&] { return failure.has_value(); }));
  EXPECT_NE(failure->message.find("certificate"), std::string::npos);
  EXPECT_FALSE(server.stream);
}

TEST_F(TlsTest, files_that_are_missing_are_named) {
  const auto context = make_tls_context({"/no/such.pem", "", "", false}, TlsRole::server);
  ASSERT_FALSE(context.ok());
  EXPECT_NE(context.error().message.find("/no/such.pem"), std::string::npos);
}

}  // namespace
}  // namespace synod::machine
