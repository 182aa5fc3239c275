#include "tunnel-proto/tls_identity.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/crypto.hpp"
#include "tunnel-proto/wire.hpp"

namespace postern::tunnel {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr int kSerialBits = 127;
constexpr int kDays = 3650;
// ALPN's own form: each name behind its length.
constexpr unsigned char kAlpnList[] = {9, 'p', 'o', 's', 't', 'e', 'r', 'n', '/', '1'};
static_assert(sizeof kAlpnList == kAlpn.size() + 1);

void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("OpenSSL: ") + what);
}

Bio memory(std::string_view bytes) {
  Bio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())), &BIO_free_all);
  must(bio != nullptr, "BIO_new_mem_buf");
  return bio;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

/// No prompt on the terminal for an encrypted key: it is refused.
int no_password(char*, int, int, void*) {
  return -1;
}

Certificate read_certificate(std::string_view pem) {
  Certificate certificate(PEM_read_bio_X509(memory(pem).get(), nullptr, &no_password, nullptr), &X509_free);
  ERR_clear_error();
  return certificate;
}

Key read_key(std::string_view pem) {
  Key key(PEM_read_bio_PrivateKey(memory(pem).get(), nullptr, &no_password, nullptr), &EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

std::string spki_of(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  must(size > 0, "i2d_X509_PUBKEY");
  std::string digest = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return digest;
}

void set_serial(X509* certificate) {
  BIGNUM* number = BN_new();
  const bool ok = number != nullptr &&
                  BN_rand(number, kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  must(ok, "serial number");
}

void set_names(X509* certificate, std::string_view common_name) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
  must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, static_cast<int>(common_name.size()), -1,
                                  0) == 1,
       "subject");
  must(X509_set_issuer_name(certificate, name) == 1, "issuer");
}

void set_times(X509* certificate, Time now) {
  const std::time_t seconds = static_cast<std::time_t>(to_unix_seconds(now));
  must(ASN1_TIME_adj(X509_getm_notBefore(certificate), seconds, -1, 0) != nullptr, "notBefore");
  must(ASN1_TIME_adj(X509_getm_notAfter(certificate), seconds, kDays, 0) != nullptr, "notAfter");
}

/// Where the pins of a client context live. OpenSSL calls free_pins with the context's end.
void free_pins(void*, void* pins, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::vector<std::string>*>(pins);
}

int pins_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_pins);
  return index;
}

/// Takes the place of chain building: the key is the one agreed on, or it is not. TLS 1.3 has the peer sign
/// with it.
int check_pin(X509_STORE_CTX* store, void*) {
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* pins =
      static_cast<const std::vector<std::string>*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), pins_index()));
  const X509* certificate = X509_STORE_CTX_get0_cert(store);
  if (certificate != nullptr && std::ranges::find(*pins, spki_of(certificate)) != pins->end()) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned in_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kAlpnList, sizeof kAlpnList, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/// What follows the first certificate: agents that go by a CA need it.
void add_chain(SSL_CTX* context, std::string_view pem) {
  const Bio bio = memory(pem);
  bool first = true;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, &no_password, nullptr)) {
    const Certificate owned(next, &X509_free);
    if (!std::exchange(first, false)) must(SSL_CTX_add1_chain_cert(context, next) == 1, "chain");
  }
  ERR_clear_error();
}

std::shared_ptr<SSL_CTX> new_context(const SSL_METHOD* method) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), &SSL_CTX_free);
  must(context != nullptr, "SSL_CTX_new");
  must(SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1, "TLS 1.3");
  // AES-128 first: a fifth cheaper than AES-256 for bodies, and no weaker where it matters here.
  must(SSL_CTX_set_ciphersuites(
           context.get(), "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1,
       "cipher suites");
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Idle sessions hold no record buffers; a write may be retried from another address and be partial.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  return context;
}

}  // namespace

TlsIdentity generate_tls_identity(std::string_view common_name, Time now) {
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  must(key != nullptr, "EVP_EC_gen");
  const Certificate certificate(X509_new(), &X509_free);
  must(certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1, "X509_new");
  set_serial(certificate.get());
  set_names(certificate.get(), common_name);
  set_times(certificate.get(), now);
  must(X509_set_pubkey(certificate.get(), key.get()) == 1, "public key");
  must(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "X509_sign");

  const Bio key_out(BIO_new(BIO_s_secmem()), &BIO_free_all);
  const Bio certificate_out(BIO_new(BIO_s_mem()), &BIO_free_all);
  must(PEM_write_bio_PKCS8PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
       "write key");
  must(PEM_write_bio_X509(certificate_out.get(), certificate.get()) == 1, "write certificate");
  return {text_of(key_out.get()), text_of(certificate_out.get())};
}

Result<std::string> spki_sha256(std::string_view certificate_pem) {
  const Certificate certificate = read_certificate(certificate_pem);
  if (!certificate) return fail("bad_certificate", "the certificate cannot be read: PEM is expected");
  return spki_of(certificate.get());
}

Result<std::string> spki_sha256_of_key(std::string_view pem) {
  if (read_certificate(pem)) return spki_sha256(pem);
  Key key = read_key(pem);
  if (!key) key.reset(PEM_read_bio_PUBKEY(memory(pem).get(), nullptr, &no_password, nullptr));
  ERR_clear_error();
  if (!key)
    return fail("bad_certificate", "no certificate, public or private key can be read: PEM is expected");
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  must(size > 0, "i2d_PUBKEY");
  std::string digest = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return digest;
}

Result<TlsContext> TlsContext::server(const TlsIdentity& identity) {
  const Certificate certificate = read_certificate(identity.certificate_pem);
  if (!certificate) return fail("bad_tls_identity", "the tunnel certificate cannot be read: PEM is expected");
  const Key key = read_key(identity.key_pem);
  if (!key) return fail("bad_tls_identity", "the tunnel key cannot be read: unencrypted PEM is expected");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return fail("bad_tls_identity", "the tunnel key does not belong to the tunnel certificate");
  }
  auto context = new_context(TLS_server_method());
  must(SSL_CTX_use_certificate(context.get(), certificate.get()) == 1, "use certificate");
  add_chain(context.get(), identity.certificate_pem);
  must(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1, "use key");
  must(SSL_CTX_set_num_tickets(context.get(), 0) == 1, "no tickets");
  SSL_CTX_set_max_early_data(context.get(), 0);
  SSL_CTX_set_alpn_select_cb(context.get(), &select_alpn, nullptr);
  return TlsContext(std::move(context), true);
}

Result<TlsContext> TlsContext::client_by_name(const std::string& ca_file, const std::string& host) {
  auto context = new_context(TLS_client_method());
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                     : SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  ERR_clear_error();
  if (loaded != 1) return fail("bad_ca_file", fmt::format("{} holds no CA certificates (PEM).", ca_file));
  X509_VERIFY_PARAM* param = SSL_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) != 1)
    must(X509_VERIFY_PARAM_set1_host(param, host.data(), host.size()) == 1, "host name");
  ERR_clear_error();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  must(SSL_CTX_set_alpn_protos(context.get(), kAlpnList, sizeof kAlpnList) == 0, "ALPN");
  return TlsContext(std::move(context), false);
}

TlsContext TlsContext::client(std::vector<std::string> pins) {
  auto context = new_context(TLS_client_method());
  auto owned = std::make_unique<std::vector<std::string>>(std::move(pins));
  must(SSL_CTX_set_ex_data(context.get(), pins_index(), owned.get()) == 1, "pins");
  (void)owned.release();  // the context's now
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), &check_pin, nullptr);
  must(SSL_CTX_set_alpn_protos(context.get(), kAlpnList, sizeof kAlpnList) == 0, "ALPN");
  return TlsContext(std::move(context), false);
}

}  // namespace postern::tunnel
