#pragma once
#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"

namespace postern::relay {

/// Makes guessing expensive for the guesser only: each failed authentication takes a token from a bucket of
/// its source (an IPv4 address, an IPv6 /64); an empty bucket means that source waits. No agent is ever
/// locked out by what somebody else claims about it. Safe from any thread.
class FailureLimiter {
 public:
  struct Rules {
    double burst = 20;                          ///< failures in a row
    Duration refill = std::chrono::seconds(3);  ///< one token
    std::size_t sources = 10'000;  ///< remembered; above: full buckets go, then the fullest of a few
  };
  FailureLimiter(const Clock& clock, Rules rules) : clock_(clock), rules_(rules) {}

  bool may_try(const boost::asio::ip::address& source);
  void failed(const boost::asio::ip::address& source);
  std::size_t remembered() const;

 private:
  struct Bucket {
    double tokens;
    SteadyTime at;
  };
  double tokens_at(const Bucket& bucket, SteadyTime now) const;
  void make_room(SteadyTime now);

  const Clock& clock_;
  const Rules rules_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace postern::relay
