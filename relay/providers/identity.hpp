#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/http/message.hpp"
#include "relay/providers/scheme.hpp"

/// What an event is called and what makes it the same event when it comes again.
namespace postern::relay {

inline constexpr std::size_t kTypeBytesMax = 128;
inline constexpr std::size_t kDedupeKeyBytesMax = 128;

struct Identity {
  std::string type;        ///< at most kTypeBytesMax of UTF-8 without control characters; may be empty
  std::string dedupe_key;  ///< likewise, never empty
};

/// Reads identities by one scheme. Immutable: any number of threads. The scheme outlives it.
class IdentityReader {
 public:
  explicit IdentityReader(const Scheme& scheme);

  /// Call it with a verified request. `topic` is the type when the request itself names none, or none that is
  /// usable. The dedupe key is the provider's own id; one that is too long or not printable is replaced by
  /// "sha256:" and its digest. A request without one is known by "sha256:" and a digest over type and body: a
  /// byte-for-byte repeat is then a duplicate. Headers other than the scheme's own never matter.
  Identity read(const http::Headers& headers, std::string_view body, std::string_view topic) const;

 private:
  std::string find(const std::vector<FieldSource>& sources, const http::Headers& headers,
                   std::string_view body, const JsonFound& found) const;

  const Scheme* scheme_;
  std::vector<const FieldSource*> json_sources_;
  std::vector<const JsonPointer*> pointers_;
};

}  // namespace postern::relay
