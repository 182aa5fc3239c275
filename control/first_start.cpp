#include "control/first_start.hpp"

#include "base/log.hpp"
#include "control/api/api_key.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {
namespace {

constexpr std::string_view kAdminKeyName = "admin";

std::string_view without_line_end(std::string_view text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

}  // namespace

std::vector<relay::ApiKey> all_api_keys(relay::Store& store) {
  std::vector<relay::ApiKey> keys;
  const auto done = relay::read_and_wait(
      *store.database, [&](relay::Transaction& tx) { keys = relay::ApiKeyRepository(tx).all(); });
  if (!done) throw relay::StoreFault(done.error().message);
  return keys;
}

Result<void> ensure_admin_key(relay::Store& store, const DataDir& directory, IdGenerator& ids,
                              const Clock& clock, Random& random) {
  const std::vector<relay::ApiKey> present = all_api_keys(store);
  const auto kept = directory.read(kAdminKeyFile);
  if (!kept) return std::unexpected(kept.error());
  if (*kept && ApiKeys(present).find(without_line_end(**kept))) return {};
  const KeyId id = ids.of<KeyId>();
  const std::string key = make_api_key(id, random);
  auto written = directory.write(kAdminKeyFile, key + "\n");
  if (!written) return written;
  const relay::ApiKey row{.id = id,
                          .workspace_id = store.default_workspace.id,
                          .name = std::string(kAdminKeyName),
                          .secret_digest = api_key_digest(key),
                          .created_at = clock.now()};
  auto stored = relay::write_and_wait(*store.database, [&](relay::Transaction& tx) {
    relay::ApiKeyRepository keys(tx);
    for (const relay::ApiKey& earlier : present) {
      if (earlier.name == kAdminKeyName && earlier.workspace_id == row.workspace_id) keys.revoke(earlier.id);
    }
    return keys.create(row);
  });
  if (!stored) return stored;
  log::info(present.empty() ? "admin_key.created" : "admin_key.replaced",
            {{"key", id}, {"file", (directory.path() / kAdminKeyFile).string()}});
  return {};
}

Result<tunnel::TlsIdentity> ensure_tunnel_identity(const DataDir& directory, const Clock& clock) {
  const auto key = directory.read(kTunnelKeyFile);
  const auto certificate = directory.read(kTunnelCertificateFile);
  if (!key) return std::unexpected(key.error());
  if (!certificate) return std::unexpected(certificate.error());
  if (*key && *certificate) return tunnel::TlsIdentity{**key, **certificate};
  if (*key) {
    return fail(
        "tunnel_identity_broken",
        fmt::format(
            "{0} is there without {1}. Restore {1} from a backup, or delete {0} too: then every agent "
            "has to join again.",
            kTunnelKeyFile, kTunnelCertificateFile));
  }
  // The certificate goes first: one without its key is no identity, and is simply replaced.
  auto identity = tunnel::generate_tls_identity("postern relay", clock.now());
  if (auto done = directory.write(kTunnelCertificateFile, identity.certificate_pem); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = directory.write(kTunnelKeyFile, identity.key_pem); !done)
    return std::unexpected(done.error());
  log::info("tunnel_identity.created", {{"file", (directory.path() / kTunnelCertificateFile).string()}});
  return identity;
}

}  // namespace postern::control
