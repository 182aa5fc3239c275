#pragma once
#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <string_view>

#include "relay/limits/limiter_table.hpp"

namespace postern::relay {

/// Makes guessing expensive for the guesser only: each failed authentication takes a token from a bucket of
/// its source (an IPv4 address, an IPv6 /64); an empty bucket means that source waits. No agent is ever
/// locked out by what somebody else claims about it. Kept in this process: what it limits is never unlimited
/// because something else is away. Safe from any thread.
class FailureLimiter {
 public:
  struct Rules {
    std::uint32_t burst = 20;                   ///< failures in a row; 0: no limit
    Duration refill = std::chrono::seconds(3);  ///< one token
    std::size_t sources = 10'000;               ///< remembered; see LimiterTable
  };
  FailureLimiter(const Clock& clock, Rules rules)
      : clock_(clock),
        pace_{rules.burst == 0 ? Duration() : rules.refill, rules.burst},
        table_(rules.sources, 1) {}

  bool may_try(const boost::asio::ip::address& source);
  void failed(const boost::asio::ip::address& source);

  /// The same by a key of the caller's. Without tokens `allowed` is false, and the rest says for how long.
  Gcra::Verdict look(std::string_view key);
  void failed(std::string_view key);

  const Pace& pace() const { return pace_; }
  std::size_t remembered() const { return table_.size(); }

 private:
  const Clock& clock_;
  const Pace pace_;
  LimiterTable table_;
};

}  // namespace postern::relay
