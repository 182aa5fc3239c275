#include "control/first_start.hpp"

#include "base/log.hpp"
#include "control/api/api_key.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {
namespace {

constexpr std::string_view kAdminKeyName = "admin";
constexpr const char* kTunnelCertificateSetting = "tunnel_certificate";
constexpr const char* kTunnelKeySetting = "tunnel_key_sealed";

std::string_view without_line_end(std::string_view text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

std::optional<std::string> setting(relay::Transaction& tx, const std::string& name) {
  std::optional<std::string> found;
  tx.query("SELECT value FROM store_setting WHERE name = ?1", {name},
           [&](const relay::Row& row) { found = std::string(row.blob(0)); });
  return found;
}

Result<std::optional<tunnel::TlsIdentity>> kept_tunnel_identity(relay::Store& store) {
  std::optional<std::string> certificate, sealed;
  auto read = relay::read_and_wait(*store.database, [&](relay::Transaction& tx) {
    certificate = setting(tx, kTunnelCertificateSetting);
    sealed = setting(tx, kTunnelKeySetting);
  });
  if (!read) return std::unexpected(read.error());
  if (!certificate || !sealed) return std::nullopt;
  auto key = store.keyring.open(store.default_workspace.id, *sealed, kTunnelKeySetting);
  if (!key) return std::unexpected(key.error());
  return tunnel::TlsIdentity{std::move(*key), std::move(*certificate)};
}

Result<void> keep_tunnel_identity(relay::Store& store, const tunnel::TlsIdentity& identity) {
  const std::string sealed =
      store.keyring.seal(store.default_workspace.id, identity.key_pem, kTunnelKeySetting);
  return relay::write_and_wait(*store.database, [&](relay::Transaction& tx) -> Result<void> {
    if (setting(tx, kTunnelKeySetting)) return {};
    for (const auto& [name, value] : {std::pair{kTunnelCertificateSetting, identity.certificate_pem},
                                      std::pair{kTunnelKeySetting, sealed}}) {
      auto put = tx.execute("INSERT INTO store_setting (name, value) VALUES (?1, ?2)",
                            {std::string(name), relay::Blob{value}});
      if (!put) return std::unexpected(put.error());
    }
    return {};
  });
}

Error identity_broken() {
  return {
      "tunnel_identity_broken",
      fmt::format(
          "{0} is there without {1}. Restore {1} from a backup, or delete {0} too: then every agent has to "
          "join again.",
          kTunnelKeyFile, kTunnelCertificateFile)};
}

}  // namespace

std::vector<relay::ApiKey> all_api_keys(relay::Store& store) {
  std::vector<relay::ApiKey> keys;
  const auto done = relay::read_and_wait(
      *store.database, [&](relay::Transaction& tx) { keys = relay::ApiKeyRepository(tx).all(); });
  if (!done) throw relay::StoreFault(done.error().message);
  return keys;
}

std::string admin_key_name(const Settings& settings) {
  if (settings.database.empty()) return std::string(kAdminKeyName);
  return fmt::format("{} of {} in {}", kAdminKeyName, settings.cluster.name,
                     std::filesystem::absolute(settings.data_dir).string());
}

Result<void> ensure_admin_key(relay::Store& store, const std::string& name, const DataDir& directory,
                              IdGenerator& ids, const Clock& clock, Random& random) {
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
                          .name = name,
                          .secret_digest = api_key_digest(key),
                          .created_at = clock.now()};
  auto stored = relay::write_and_wait(*store.database, [&](relay::Transaction& tx) {
    relay::ApiKeyRepository keys(tx);
    for (const relay::ApiKey& earlier : present) {
      if (earlier.name == name && earlier.workspace_id == row.workspace_id) keys.revoke(earlier.id);
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
    return std::unexpected(identity_broken());
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

Result<tunnel::TlsIdentity> own_tunnel_identity(relay::Store& store, const DataDir& directory,
                                                const Clock& clock) {
  const auto key = directory.read(kTunnelKeyFile);
  if (!key) return std::unexpected(key.error());
  if (*key) return ensure_tunnel_identity(directory, clock);
  const auto kept = kept_tunnel_identity(store);
  if (!kept) return std::unexpected(kept.error());
  if (!*kept) return ensure_tunnel_identity(directory, clock);
  for (const auto& [name, content] : {std::pair{kTunnelCertificateFile, (*kept)->certificate_pem},
                                      std::pair{kTunnelKeyFile, (*kept)->key_pem}}) {
    if (auto done = directory.write(name, content); !done) return std::unexpected(done.error());
  }
  return **kept;
}

Result<tunnel::TlsIdentity> shared_tunnel_identity(relay::Store& store, const DataDir& directory,
                                                   const Clock& clock) {
  const auto kept = kept_tunnel_identity(store);
  if (!kept) return std::unexpected(kept.error());
  if (*kept) return **kept;
  const auto fresh = ensure_tunnel_identity(directory, clock);
  if (!fresh) return std::unexpected(fresh.error());
  if (auto done = keep_tunnel_identity(store, *fresh); !done) return std::unexpected(done.error());
  // Another node may have been first: then its identity counts.
  const auto first = kept_tunnel_identity(store);
  if (!first) return std::unexpected(first.error());
  return first->value_or(*fresh);
}

Result<std::vector<relay::transfer::ExtraSetting>> tunnel_identity_settings(const DataDir& directory) {
  auto key = directory.read(kTunnelKeyFile);
  if (!key) return std::unexpected(key.error());
  auto certificate = directory.read(kTunnelCertificateFile);
  if (!certificate) return std::unexpected(certificate.error());
  std::vector<relay::transfer::ExtraSetting> settings;
  if (!*key) return settings;
  if (!*certificate) return std::unexpected(identity_broken());
  settings.push_back({.name = kTunnelCertificateSetting, .value = std::move(**certificate), .seal = false});
  settings.push_back({.name = kTunnelKeySetting, .value = std::move(**key), .seal = true});
  return settings;
}

}  // namespace postern::control
