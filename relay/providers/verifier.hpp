#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.hpp"
#include "base/error.hpp"
#include "base/http/message.hpp"
#include "relay/providers/scheme.hpp"

namespace postern::relay {

/// Whether a request is what the holder of a secret sent. Codes, and there are no others:
///   missing_header             a header the scheme needs is not there
///   malformed_signature        one is there, but repeated, empty or unreadable (its timestamp included)
///   timestamp_out_of_tolerance with `skew_seconds`
///   no_matching_secret         well-formed, and no live secret made it
struct SignatureVerdict {
  std::string_view code = {};  ///< empty: genuine
  std::string message = {};  ///< for the sender's developer; without secrets, MACs or words from the request
  std::optional<std::int64_t> skew_seconds = std::nullopt;  ///< receive time - timestamp; positive: old

  bool ok() const { return code.empty(); }
};

/// The bytes of a MAC key. Error `secret_malformed` says what form was expected.
Result<std::string> decode_secret(KeyForm form, std::string_view secret);

/// The header set of the scheme that this request uses; null when it has no signature header of any.
const HeaderSet* choose_headers(const Scheme& scheme, const http::Headers& headers);

/// A scheme with its keys set up. Movable; one thread at a time: keep one per loop.
class Verifier {
 public:
  /// Errors as decode_secret.
  static Result<Verifier> make(std::shared_ptr<const Scheme> scheme, std::span<const std::string> secrets);

  /// Over the raw bytes. Every listed signature is compared with every secret's, in constant time, and none
  /// of them ends the search early. Headers are read before anything is hashed.
  SignatureVerdict verify(const http::Headers& headers, std::string_view body, Time received_at);

  const Scheme& scheme() const { return *scheme_; }

 private:
  Verifier(std::shared_ptr<const Scheme> scheme, std::vector<Mac> macs)
      : scheme_(std::move(scheme)), macs_(std::move(macs)) {}

  std::shared_ptr<const Scheme> scheme_;
  std::vector<Mac> macs_;
};

}  // namespace postern::relay
