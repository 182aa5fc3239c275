#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace postern::relay::transfer {

/// A digest over the events of a node that does not depend on their order: the sum of a SHA-256 of each one's
/// id and of the SHA-256 of its body, headers and target. It finds what a copy lost or bent; it is no defence
/// against somebody who wants it to come out alike.
class EventDigest {
 public:
  void add(std::string_view id, std::string_view body, std::string_view headers, std::string_view target);
  /// The same with the digests of body, headers and target at hand.
  void add_digests(std::string_view id, std::string_view body, std::string_view headers,
                   std::string_view target);
  bool operator==(const EventDigest&) const = default;

 private:
  std::array<std::uint64_t, 4> sum_{};
};

}  // namespace postern::relay::transfer
