#pragma once
#include <filesystem>
#include <string>

#include "base/http/tls_context.hpp"

namespace postern::test {

/// A self-signed certificate and its key in PEM files of their own, removed with the object.
class Certificate {
 public:
  /// `names` as in an OpenSSL subjectAltName: "DNS:app.example,IP:127.0.0.1".
  explicit Certificate(const std::string& names);
  ~Certificate();
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  std::string certificate_file() const { return directory_ / "certificate.pem"; }
  std::string key_file() const { return directory_ / "key.pem"; }
  http::TlsContext server() const;

 private:
  std::filesystem::path directory_;
};

}  // namespace postern::test
