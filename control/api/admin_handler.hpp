#pragma once
#include <boost/asio/awaitable.hpp>

#include <memory>

#include "base/http/server.hpp"
#include "control/api/api_key.hpp"
#include "control/api/health.hpp"
#include "control/api/route_table.hpp"
#include "control/api/services.hpp"
#include "relay/limits/failure_limiter.hpp"

namespace prometheus {
class Collectable;
}

namespace postern::control {

/// The admin listener: the API behind its keys, and health, metrics and the API's description, open to
/// whoever can reach the listener (which is why it is on the loopback by default). Nobody is believed by
/// address.
///
/// Each failed authentication costs its source address a token; without tokens the answer is 429 instead of
/// 401. A right key is always let in, so nobody can lock an operator out.
class AdminHandler final : public http::Handler {
 public:
  /// All references outlive the handler. One loop.
  AdminHandler(const ApiServices& services, const ApiKeys& keys, const Health& health,
               std::vector<const prometheus::Collectable*> metrics);

  http::HeadDecision on_head(const http::Request& head) override;
  boost::asio::awaitable<http::Response> on_request(http::Request request) override;

 private:
  std::expected<Principal, Problem> authenticate(const http::Request& request);
  std::optional<Problem> give_up(const Endpoint& endpoint) const;
  std::string collected() const;
  Problem refuse(const http::Request& request, std::string detail);

  const ApiServices& services_;
  const ApiKeys& keys_;
  const Health& health_;
  const std::vector<const prometheus::Collectable*> metrics_;
  relay::FailureLimiter failures_;
};

/// What the admin listener answers without a key: method GET, these paths.
std::span<const std::string_view> open_paths();

}  // namespace postern::control
