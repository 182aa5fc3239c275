#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <string>

#include "base/random.hpp"
#include "tunnel-proto/agent_connection.hpp"

namespace postern::test {

/// What all agents of one host have in common, and what they count. One loop.
struct Herd {
  boost::asio::io_context& loop;
  boost::asio::ip::tcp::endpoint relay;
  tunnel::TlsContext tls;
  SystemClock clock{};
  SystemRandom random{};
  std::size_t connected = 0;
  std::size_t sessions = 0;  ///< that were established
  std::size_t answered = 0;  ///< deliveries; each gets a 200 at once
};

struct HostedAgent {
  AgentId id;
  std::string secret;
  boost::asio::ip::address from;  ///< the loopback address it dials from
};

/// Keeps one session for ever, with the agent's own policy of coming back. `herd` outlives it.
boost::asio::awaitable<void> keep_session(Herd& herd, HostedAgent agent);

}  // namespace postern::test
