#include "relay/store/transfer/event_digest.hpp"

#include <string>

#include "base/crypto.hpp"
#include "tunnel-proto/big_endian.hpp"

namespace postern::relay::transfer {

void EventDigest::add(std::string_view id, std::string_view body, std::string_view headers,
                      std::string_view target) {
  add_digests(id, sha256(body), sha256(headers), sha256(target));
}

void EventDigest::add_digests(std::string_view id, std::string_view body, std::string_view headers,
                              std::string_view target) {
  std::string text;
  text.append(id).append(body).append(headers).append(target);
  const std::string one = sha256(text);
  for (std::size_t i = 0; i < sum_.size(); ++i)
    sum_[i] += tunnel::read_u64(std::string_view(one).substr(i * 8));
}

}  // namespace postern::relay::transfer
