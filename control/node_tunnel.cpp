// The tunnel's settings: how the relay shows itself to agents, and what it grants them.
#include "control/descriptors.hpp"
#include "control/first_start.hpp"
#include "control/node_parts.hpp"

namespace postern::control {

/// Files that may change: those of the settings; on SQLite those made at the first start. Nodes of a cluster
/// share theirs in the database.
Result<relay::TunnelTls> Node::Parts::tunnel_tls() {
  TunnelFiles files{settings.tunnel.certificate_file, settings.tunnel.key_file,
                    settings.tunnel.next_key_file};
  std::optional<tunnel::TlsIdentity> fixed;
  if (files.certificate.empty()) {
    const auto identity = tunnel_identity();
    if (!identity) return std::unexpected(identity.error());
    fixed = *identity;
    if (settings.database.empty()) {
      files.certificate = settings.data_dir / kTunnelCertificateFile;
      files.key = settings.data_dir / kTunnelKeyFile;
    }
  }
  certificate = std::make_shared<TunnelCertificate>(loops.first().get_executor(), files, fixed,
                                                    [this](relay::TunnelTls tls) {
                                                      addresses.tunnel_pins = tls.pins;
                                                      hub->use_tls(std::move(tls));
                                                    });
  return load_tunnel_tls(files, fixed);
}

/// Agents know a relay by its certificate: every node of a cluster shows the same one.
Result<tunnel::TlsIdentity> Node::Parts::tunnel_identity() {
  const DataDir directory(settings.data_dir);
  if (settings.database.empty()) return own_tunnel_identity(*store, directory, clock);
  return shared_tunnel_identity(*store, directory, clock);
}

relay::HubOptions Node::Parts::hub_options(boost::asio::ip::tcp::endpoint endpoint) {
  relay::HubOptions options;
  options.listen = endpoint;
  options.handshakes = settings.tunnel.max_handshakes;
  options.connections = affordable_here("tunnel", settings.tunnel.max_connections, 4);
  options.rotate_after = settings.tunnel.rotate_after;
  options.limits.session.max_deliveries = settings.tunnel.max_deliveries;
  options.limits.drain = settings.shutdown.tunnel_time;
  options.audit = [this](const relay::TunnelAudit& event) { audit->add(event); };
  return options;
}

}  // namespace postern::control
