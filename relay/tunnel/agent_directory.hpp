#pragma once
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/http/message.hpp"
#include "relay/model.hpp"
#include "tunnel-proto/app_health.hpp"

namespace postern::relay {

/// One request for an app behind an agent.
struct AgentRequest {
  DeliveryId delivery_id;
  unsigned attempt = 1;
  unsigned answered = 0;  ///< the last attempt of which the app's answer is committed; 0: none
  Duration deadline{};    ///< relative: the two ends compare no clocks
  bool tls = false;       ///< https to the app
  std::string host;       ///< as the agent's host sees it; the agent's allow-list decides
  std::uint16_t port = 0;
  std::string method;
  std::string target;
  http::Headers headers;
  std::shared_ptr<const std::string> body;
};

struct AgentAnswer {
  Outcome outcome = Outcome::not_sent;
  std::string
      error_code;  ///< empty with an answer; "agent_away", "not_allowed", "connect_failed", "timeout", …
  std::string error_message;
  int status = 0;
  http::Headers headers;
  std::string body;  ///< at most 64 KiB
  bool truncated = false;
  Duration connect{}, tls{}, first_byte{}, total{};
  /// maybe_sent, and the agent will know what came of it: ask again, under the same delivery, on its return.
  bool resumes = false;
  /// The agent said it, and keeps it until it is acknowledged. Nothing else must be: what the relay makes up,
  /// such as its own time-out, is not what the agent may have kept meanwhile.
  bool kept = false;
  bool app_full = false;      ///< not_sent: the agent says that the app has as many as it takes
  bool from_journal = false;  ///< the agent knew it: the app was not called for this attempt
};

/// How an agent is connected to this node.
struct AgentStanding {
  std::size_t sessions = 0;
  std::size_t live = 0;  ///< of them: a probe by the way of deliveries has passed
  std::string why;       ///< one that is not live: why
};

/// The agents that hold a session with this node. Safe from any thread; deliver() resumes the caller on its
/// own executor.
class AgentDirectory {
 public:
  virtual ~AgentDirectory() = default;
  /// Deliveries can go to it: at least one of its sessions is live.
  virtual bool present(AgentId agent) const = 0;
  virtual AgentStanding standing(AgentId agent) const {
    const std::size_t live = present(agent) ? 1 : 0;
    return {live, live, {}};
  }
  /// not_sent with "agent_away" when it holds no session, or lost it before the request was put on the wire.
  virtual boost::asio::awaitable<AgentAnswer> deliver(AgentId agent, AgentRequest request) = 0;
  /// The outcome of an attempt that the agent told is committed: it need not keep it any longer. May be lost.
  virtual void acknowledge(AgentId agent, DeliveryId delivery, unsigned attempt) = 0;
  /// `listener(agent, present)` runs on the session's loop at every change. Call before serving starts.
  virtual void on_presence(std::function<void(AgentId, bool)> listener) = 0;
  /// Why the agent cannot reach that app now, in a word of tunnel-proto/outcome_reasons.hpp; nullopt when
  /// nothing is known against it.
  virtual std::optional<std::string> app_away(AgentId agent, std::string_view host,
                                              std::uint16_t port) const {
    (void)agent, (void)host, (void)port;
    return std::nullopt;
  }
  /// How many deliveries this node may have under way at that app; nullopt: any number.
  virtual std::optional<unsigned> app_places(AgentId agent, std::string_view host, std::uint16_t port) const {
    (void)agent, (void)host, (void)port;
    return std::nullopt;
  }
  /// What the agent last said of its apps.
  virtual std::vector<tunnel::AppHealth> apps(AgentId agent) const {
    (void)agent;
    return {};
  }
  /// `listener(agent)` runs on the session's loop when app_away() or app_places() may have changed. Call
  /// before serving starts.
  virtual void on_app_health(std::function<void(AgentId)> listener) { (void)listener; }
  /// Ends its sessions now (revoked, deleted); requests in flight come back as maybe_sent.
  virtual void disconnect(AgentId agent, std::string_view reason) = 0;
};

}  // namespace postern::relay
