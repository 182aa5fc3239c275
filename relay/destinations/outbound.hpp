#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/http/message.hpp"
#include "relay/destinations/destination.hpp"

namespace postern::relay {

/// The request of an attempt, whoever carries it.
struct Outbound {
  std::string method;
  std::string target;
  http::Headers headers;
  std::shared_ptr<const std::string>
      body;  ///< shares the event or the payload, copies no byte; null for a GET or HEAD without one
};

/// `url_target` is path and query of the destination's URL. Error `invalid_signing_secret`. Pure.
Result<Outbound> build_outbound(const AttemptJob& job, std::string_view url_target, Time now);

}  // namespace postern::relay
