#include "tests/support/certificate.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

namespace postern::test {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Cert = std::unique_ptr<X509, decltype(&X509_free)>;

void add_extension(X509* cert, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (!extension) throw std::runtime_error("bad certificate extension");
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

Cert self_signed(EVP_PKEY* key, const std::string& names) {
  Cert cert(X509_new(), &X509_free);
  X509_set_version(cert.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 24 * 3600);
  X509_set_pubkey(cert.get(), key);
  X509_NAME* name = X509_get_subject_name(cert.get());
  const auto* text = reinterpret_cast<const unsigned char*>("postern test");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(cert.get(), name);
  add_extension(cert.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(cert.get(), NID_subject_alt_name, names);
  X509_sign(cert.get(), key, EVP_sha256());
  return cert;
}

template <class Write>
void write_file(const std::string& path, Write write) {
  BIO* bio = BIO_new_file(path.c_str(), "w");
  if (!bio || write(bio) != 1) throw std::runtime_error("cannot write " + path);
  BIO_free(bio);
}

std::filesystem::path make_directory() {
  std::string pattern = std::filesystem::temp_directory_path() / "postern-cert-XXXXXX";
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("cannot make a directory");
  return pattern;
}

}  // namespace

Certificate::Certificate(const std::string& names) : directory_(make_directory()) {
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Cert cert = self_signed(key.get(), names);
  write_file(certificate_file(), [&](BIO* bio) { return PEM_write_bio_X509(bio, cert.get()); });
  write_file(key_file(), [&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

Certificate::~Certificate() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

http::TlsContext Certificate::server() const {
  auto context = http::server_tls(certificate_file(), key_file());
  if (!context) throw std::runtime_error(context.error().message);
  return *context;
}

}  // namespace postern::test
