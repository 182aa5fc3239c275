#include "control/tunnel_certificate.hpp"

#include <sys/stat.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace postern::control {
namespace {

namespace fs = std::filesystem;

Result<std::string> content_of(const fs::path& file) {
  auto content = read_file(file);
  if (!content) return fail("unreadable", fmt::format("{}: {}", file.string(), content.error().message));
  return content;
}

std::unexpected<Error> about(const fs::path& file, const Error& error) {
  return fail(error.code, fmt::format("{}: {}", file.string(), error.message));
}

Result<tunnel::TlsIdentity> identity_in(const TunnelFiles& files) {
  auto key = content_of(files.key);
  if (!key) return std::unexpected(key.error());
  auto certificate = content_of(files.certificate);
  if (!certificate) return std::unexpected(certificate.error());
  return tunnel::TlsIdentity{std::move(*key), std::move(*certificate)};
}

/// What a replaced or rewritten file shows differently.
std::string stamp_of(const fs::path& file) {
  struct stat found{};
  if (file.empty() || ::stat(file.c_str(), &found) != 0) return "-";
  return fmt::format("{}/{}/{}.{:09}", found.st_ino, found.st_size, found.st_mtim.tv_sec,
                     found.st_mtim.tv_nsec);
}

std::string shown(const std::vector<std::string>& pins) {
  std::string text;
  for (const std::string& pin : pins) text += (text.empty() ? "" : " ") + hex_encode(pin);
  return text;
}

}  // namespace

Result<relay::TunnelTls> load_tunnel_tls(const TunnelFiles& files,
                                         const std::optional<tunnel::TlsIdentity>& fixed) {
  auto identity = files.certificate.empty() ? Result<tunnel::TlsIdentity>(*fixed) : identity_in(files);
  if (!identity) return std::unexpected(identity.error());
  auto context = tunnel::TlsContext::server(*identity);
  if (!context) return about(files.certificate, context.error());
  auto pin = tunnel::spki_sha256(identity->certificate_pem);
  if (!pin) return about(files.certificate, pin.error());
  relay::TunnelTls tls{std::move(*context), {*pin}};
  if (files.next_key.empty()) return tls;
  const auto next = content_of(files.next_key);
  if (!next) return std::unexpected(next.error());
  auto next_pin = tunnel::spki_sha256_of_key(*next);
  if (!next_pin) return about(files.next_key, next_pin.error());
  if (*next_pin != *pin) tls.pins.push_back(*next_pin);
  return tls;
}

TunnelCertificate::TunnelCertificate(const boost::asio::any_io_executor& loop, TunnelFiles files,
                                     std::optional<tunnel::TlsIdentity> fixed,
                                     std::function<void(relay::TunnelTls)> use)
    : timer_(loop),
      files_(std::move(files)),
      fixed_(std::move(fixed)),
      use_(std::move(use)),
      seen_(stamp()) {}

std::string TunnelCertificate::stamp() const {
  return stamp_of(files_.certificate) + " " + stamp_of(files_.key) + " " + stamp_of(files_.next_key);
}

void TunnelCertificate::start() {
  boost::asio::post(timer_.get_executor(), [self = shared_from_this()] { self->arm(); });
}

void TunnelCertificate::stop() {
  stopped_ = true;
  timer_.cancel();
}

void TunnelCertificate::arm() {
  if (stopped_) return;
  timer_.expires_after(kLookEvery);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    const auto self = weak.lock();
    if (ec || !self) return;
    self->look();
    self->arm();
  });
}

void TunnelCertificate::look() {
  std::string now = stamp();
  if (now == seen_) return;
  seen_ = std::move(now);  // before they are read: what changes meanwhile is seen again
  auto tls = load_tunnel_tls(files_, fixed_);
  if (!tls) {
    return log::error(
        "tunnel.certificate_kept",
        {{"code", tls.error().code},
         {"error", tls.error().message},
         {"detail", "the files cannot be used together; agents are shown the one from before"}});
  }
  log::info("tunnel.certificate_reloaded", {{"pins", shown(tls->pins)}});
  use_(std::move(*tls));
}

}  // namespace postern::control
