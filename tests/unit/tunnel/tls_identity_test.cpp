#include "tunnel-proto/tls_identity.hpp"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace postern::tunnel {
namespace {

const Time kNow = Time(std::chrono::seconds(1'800'000'000));

TEST(TlsIdentity, IsAP256CertificateForTenYears) {
  const TlsIdentity identity = generate_tls_identity("relay.example.com", kNow);
  EXPECT_TRUE(identity.key_pem.starts_with("-----BEGIN PRIVATE KEY-----"));
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
      BIO_new_mem_buf(identity.certificate_pem.data(), static_cast<int>(identity.certificate_pem.size())),
      &BIO_free_all);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  ASSERT_TRUE(certificate);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(certificate.get())), 256);
  std::time_t valid = static_cast<std::time_t>(to_unix_seconds(kNow));
  EXPECT_LT(X509_cmp_time(X509_get0_notBefore(certificate.get()), &valid), 0);
  valid += 3649L * 24 * 3600;
  EXPECT_GT(X509_cmp_time(X509_get0_notAfter(certificate.get()), &valid), 0);
  valid += 2L * 24 * 3600;
  EXPECT_LT(X509_cmp_time(X509_get0_notAfter(certificate.get()), &valid), 0);
}

TEST(TlsIdentity, ThePinBelongsToTheKey) {
  const TlsIdentity one = generate_tls_identity("one", kNow);
  const TlsIdentity two = generate_tls_identity("one", kNow);
  EXPECT_EQ(spki_sha256(one.certificate_pem)->size(), 32U);
  EXPECT_EQ(*spki_sha256(one.certificate_pem), *spki_sha256(one.certificate_pem));
  EXPECT_NE(*spki_sha256(one.certificate_pem), *spki_sha256(two.certificate_pem));
  EXPECT_EQ(spki_sha256("nonsense").error().code, "bad_certificate");
}

TEST(TlsIdentity, ServerContextWantsWhatBelongsTogether) {
  const TlsIdentity one = generate_tls_identity("one", kNow);
  const TlsIdentity two = generate_tls_identity("two", kNow);
  EXPECT_TRUE(TlsContext::server(one));
  EXPECT_EQ(TlsContext::server({two.key_pem, one.certificate_pem}).error().code, "bad_tls_identity");
  EXPECT_EQ(TlsContext::server({"", one.certificate_pem}).error().code, "bad_tls_identity");
  EXPECT_EQ(TlsContext::server({one.key_pem, one.certificate_pem.substr(0, 100)}).error().code,
            "bad_tls_identity");
}

TEST(TlsIdentity, ThePinOfAKeyToComeIsThatOfItsCertificate) {
  const TlsIdentity one = generate_tls_identity("one", kNow);
  EXPECT_EQ(*spki_sha256_of_key(one.key_pem), *spki_sha256(one.certificate_pem));
  EXPECT_EQ(*spki_sha256_of_key(one.certificate_pem), *spki_sha256(one.certificate_pem));
  EXPECT_EQ(spki_sha256_of_key("nonsense").error().code, "bad_certificate");
}

TEST(TlsIdentity, AFileWithoutCaCertificatesIsRefused) {
  EXPECT_EQ(TlsContext::client_by_name("/nowhere", "relay.test").error().code, "bad_ca_file");
  EXPECT_TRUE(TlsContext::client_by_name("", "relay.test"));
}

}  // namespace
}  // namespace postern::tunnel
