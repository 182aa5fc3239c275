#pragma once
#include <memory>

#include "base/clock.hpp"
#include "base/http/client.hpp"
#include "relay/destinations/destination.hpp"
#include "relay/destinations/egress_policy.hpp"

namespace postern::relay {

/// Attempts at public HTTP endpoints. Belongs to one loop, like the client it owns.
class HttpDestination final : public DestinationDriver {
 public:
  /// `client` dials by options.may_dial = policy.dial_check(); `policy` here judges what a URL says without
  /// dialling.
  HttpDestination(std::unique_ptr<http::Client> client, EgressPolicy policy, const Clock& clock)
      : client_(std::move(client)), policy_(std::move(policy)), clock_(clock) {}

  boost::asio::awaitable<AttemptResult> attempt(AttemptJob job) override;

 private:
  std::unique_ptr<http::Client> client_;
  EgressPolicy policy_;
  const Clock& clock_;
};

}  // namespace postern::relay
