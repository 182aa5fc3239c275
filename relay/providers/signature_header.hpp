#pragma once
#include <boost/container/static_vector.hpp>

#include <expected>
#include <string>
#include <string_view>

#include "relay/providers/scheme.hpp"

namespace postern::relay {

inline constexpr std::size_t kSignaturesMax = 16;

/// What a signature header says. `timestamp` borrows from the header's value.
struct SignatureList {
  boost::container::static_vector<std::string, kSignaturesMax> macs;  ///< decoded, each as long as the digest
  std::string_view timestamp;  ///< field_list with a timestamp_field only
};

/// Reads a signature header's value by the scheme's format. In a list, items that are not MACs of this scheme
/// are passed over, as long as one is left; more than kSignaturesMax, or a repeated timestamp, is refused.
/// The error is a sentence for the sender's developer.
std::expected<SignatureList, std::string> parse_signature(const Scheme& scheme, std::string_view value);

}  // namespace postern::relay
