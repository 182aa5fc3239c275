#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "relay/tunnel/tls_slot.hpp"
#include "tunnel-proto/tls_identity.hpp"

namespace postern::control {

/// The files of the tunnel's certificate. All may change while the relay runs.
struct TunnelFiles {
  std::filesystem::path certificate;  ///< PEM, the chain too; empty: `fixed` is shown
  std::filesystem::path key;          ///< PEM
  std::filesystem::path
      next_key;  ///< certificate, public or private key (PEM) of the key to come; may be empty
};

/// What the relay shows to agents with these files, or with `fixed` where they name no certificate. Errors:
/// `bad_tls_identity`, `bad_certificate`, `unreadable`; each names the file.
Result<relay::TunnelTls> load_tunnel_tls(const TunnelFiles& files,
                                         const std::optional<tunnel::TlsIdentity>& fixed);

/// Looks at the files once a second, and when asked. What has changed and can be used goes to `use`; what
/// cannot is logged once, and the one in use stays: a certificate that is in place before its key is merely
/// early. On one loop.
class TunnelCertificate : public std::enable_shared_from_this<TunnelCertificate> {
 public:
  static constexpr auto kLookEvery = std::chrono::seconds(1);

  TunnelCertificate(const boost::asio::any_io_executor& loop, TunnelFiles files,
                    std::optional<tunnel::TlsIdentity> fixed, std::function<void(relay::TunnelTls)> use);
  void start();
  void stop();  ///< on the loop
  void look();  ///< on the loop

 private:
  std::string stamp() const;
  void arm();

  boost::asio::steady_timer timer_;
  TunnelFiles files_;
  std::optional<tunnel::TlsIdentity> fixed_;
  std::function<void(relay::TunnelTls)> use_;
  std::string seen_;
  bool stopped_ = false;
};

}  // namespace postern::control
