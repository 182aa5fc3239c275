#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.hpp"
#include "tests/bench/load.hpp"

namespace postern::bench {

/// One request with an id of its own, signed now. X-Bench-Sent lets the receiving app measure the whole way.
std::string make_request(const Options& options, Mac& mac, std::uint64_t number);

/// Many requests that differ in their ids and signatures only, all signed before the first is sent: one text,
/// and what changes is put into it. They say one time, so they are good for five minutes.
class SignedRequests {
 public:
  SignedRequests(const Options& options, std::uint32_t count);

  std::uint32_t count() const { return static_cast<std::uint32_t>(signatures_.size() / kSignature); }
  /// The whole of one, until the next call. `number` is below count().
  std::string_view request(std::uint32_t number);

 private:
  static constexpr std::size_t kSignature = 64;  // hex
  static constexpr std::size_t kNumber = 8;      // hex
  void put_number(std::uint32_t number);

  std::string text_;
  std::size_t number_at_ = 0;
  std::size_t signature_at_ = 0;
  std::string signatures_;
};

/// The length of the first answer in these bytes, 0 when it is not whole yet. For answers with a
/// Content-Length.
std::size_t answer_length(std::string_view bytes);

}  // namespace postern::bench
