#include "relay/providers/compiled_source.hpp"

#include "relay/providers/generic_scheme.hpp"

namespace postern::relay {

Result<std::shared_ptr<const Scheme>> scheme_of(const Provider& row, std::string_view scheme_json) {
  if (row.scheme) {
    if (!scheme_json.empty())
      return fail("scheme_unexpected", "scheme is only for the provider generic-hmac");
    // The rows are never destroyed before their users, so nothing needs counting.
    return std::shared_ptr<const Scheme>(std::shared_ptr<const Scheme>(), &*row.scheme);
  }
  if (scheme_json.empty()) return fail("scheme_required", "scheme is required for the provider " + row.name);
  auto scheme = parse_generic_scheme(scheme_json);
  if (!scheme) return std::unexpected(std::move(scheme.error()));
  return std::make_shared<const Scheme>(std::move(*scheme));
}

Result<std::unique_ptr<CompiledSource>> CompiledSource::make(const Source& source) {
  const Provider* const row = find_provider(source.provider);
  if (row == nullptr) return fail("unknown_provider", "provider \"" + source.provider + "\" is not known");
  auto scheme = scheme_of(*row, source.scheme_json);
  if (!scheme) return std::unexpected(std::move(scheme.error()));
  std::optional<Verifier> verifier;
  if (!source.secrets.empty()) {
    auto made = Verifier::make(*scheme, source.secrets);
    if (!made) return std::unexpected(std::move(made.error()));
    verifier.emplace(std::move(*made));
  } else if (!source.unsigned_ok) {
    return fail("secret_required", "the source has no secret and is not unsigned");
  }
  return std::unique_ptr<CompiledSource>(new CompiledSource(*row, std::move(*scheme), std::move(verifier)));
}

}  // namespace postern::relay
