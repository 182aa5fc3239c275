#include "relay/providers/source_rules.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "relay/providers/compiled_source.hpp"
#include "relay/providers/nearest.hpp"
#include "relay/providers/provider.hpp"
#include "relay/providers/verifier.hpp"

namespace postern::relay {
namespace {

std::unexpected<Error> unknown_provider(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Provider& row : providers()) names.push_back(row.name);
  const std::string_view near = nearest(name, names);
  const std::string hint = near.empty() ? "" : fmt::format("did you mean \"{}\"? ", near);
  return fail("unknown_provider", fmt::format("provider is not known; {}one of: {}", hint, provider_names()));
}

/// White space at an end is what copying a secret drags along, and no provider's secret has it.
bool has_blank_end(std::string_view secret) {
  constexpr std::string_view kBlank = " \t\r\n";
  return kBlank.contains(secret.front()) || kBlank.contains(secret.back());
}

Result<void> check_secret(const Provider& row, const Scheme& scheme, const std::string& secret,
                          std::string name) {
  if (secret.empty()) return fail("secret_too_short", name + " is empty");
  if (secret.size() > kSecretBytesMax) {
    return fail("secret_too_long", fmt::format("{} is longer than {} bytes", name, kSecretBytesMax));
  }
  if (has_blank_end(secret)) return fail("secret_malformed", name + " starts or ends with white space");
  auto key = decode_secret(scheme.key, secret);
  if (!key) return fail(key.error().code, name + " " + key.error().message);
  const std::size_t size = key->size();
  cleanse(*key);
  if (size >= row.secret_bytes_min) return {};
  return fail("secret_too_short", fmt::format("{} makes a key of {} bytes; at least {} are needed", name,
                                              size, row.secret_bytes_min));
}

Result<void> check_secrets(const Provider& row, const Scheme& scheme,
                           const std::vector<std::string>& secrets) {
  if (secrets.size() > kSecretsMax) {
    return fail("secrets_too_many", fmt::format("secrets has more than {} entries", kSecretsMax));
  }
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    const std::string name = fmt::format("secrets[{}]", i);
    if (auto bad = check_secret(row, scheme, secrets[i], name); !bad) return bad;
    if (std::find(secrets.begin(), secrets.begin() + static_cast<std::ptrdiff_t>(i), secrets[i]) !=
        secrets.begin() + static_cast<std::ptrdiff_t>(i)) {
      return fail("secret_repeated", name + " is there already");
    }
  }
  return {};
}

}  // namespace

Result<void> validate_source(const Source& source) {
  const Provider* const row = find_provider(source.provider);
  if (row == nullptr) return unknown_provider(source.provider);
  const auto scheme = scheme_of(*row, source.scheme_json);
  if (!scheme) return std::unexpected(scheme.error());
  if (source.secrets.empty() && !source.unsigned_ok) {
    return fail("secret_required", "secrets must have an entry, unless \"unsigned\" is true");
  }
  if (!source.secrets.empty() && source.unsigned_ok) {
    return fail("unsigned_conflict", "secrets must be empty when \"unsigned\" is true");
  }
  return check_secrets(*row, **scheme, source.secrets);
}

}  // namespace postern::relay
