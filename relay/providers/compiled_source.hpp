#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "relay/model.hpp"
#include "relay/providers/identity.hpp"
#include "relay/providers/provider.hpp"
#include "relay/providers/verifier.hpp"

namespace postern::relay {

/// The scheme a source of this row uses: the row's own, shared, or the one parsed from `scheme_json`.
/// Errors `scheme_unexpected`, `scheme_required`, `scheme_invalid`.
Result<std::shared_ptr<const Scheme>> scheme_of(const Provider& row, std::string_view scheme_json);

/// One source made ready for its requests: scheme parsed, MAC keys set up. A request then costs one MAC per
/// secret and a look at a few headers. Not movable, one thread at a time: each loop builds its own when it
/// first needs it and drops it when the catalog changes.
class CompiledSource {
 public:
  /// Errors: `unknown_provider`, those of scheme_of and decode_secret, and `secret_required` for a source
  /// that has no secret and is not unsigned. None of them can happen to a source validate_source has let
  /// pass.
  static Result<std::unique_ptr<CompiledSource>> make(const Source& source);

  const Provider& provider() const { return *provider_; }
  /// False for an unsigned source: verify must then not be asked.
  bool is_signed() const { return verifier_.has_value(); }
  SignatureVerdict verify(const http::Headers& headers, std::string_view body, Time received_at) {
    return verifier_->verify(headers, body, received_at);
  }
  Identity identity(const http::Headers& headers, std::string_view body, std::string_view topic) const {
    return identity_.read(headers, body, topic);
  }

 private:
  CompiledSource(const Provider& provider, std::shared_ptr<const Scheme> scheme,
                 std::optional<Verifier> verifier)
      : provider_(&provider),
        scheme_(std::move(scheme)),
        verifier_(std::move(verifier)),
        identity_(*scheme_) {}

  const Provider* provider_;
  std::shared_ptr<const Scheme> scheme_;
  std::optional<Verifier> verifier_;
  IdentityReader identity_;
};

}  // namespace postern::relay
