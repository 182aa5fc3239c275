#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <vector>

#include "agent/inspector/guard.hpp"
#include "agent/inspector/recorder.hpp"
#include "base/http/server.hpp"

namespace postern::agent::inspector {

/// What came of sending a request again.
struct Answer {
  tunnel::ResultHead head;
  std::string body;
};
/// Sends the request to the app, under the rules for deliveries and its deadline; a failure is an Answer,
/// too.
using Resend = std::function<boost::asio::awaitable<Answer>(tunnel::DeliverHead,
                                                            std::shared_ptr<const std::string> body)>;

/// The inspector's page and API (docs/agents.md). One loop, the server's; outlives the server's connections.
///
///   GET  /api/deliveries?after=REVISION&wait=SECONDS   what has changed; waits for a change, 30 s at most
///   GET  /api/deliveries/NUMBER
///   POST /api/deliveries/NUMBER/resend                 answers when the app has
class Api final : public http::Handler {
 public:
  Api(boost::asio::any_io_executor executor, std::shared_ptr<Recorder> recorder, Guard guard, Resend resend);
  ~Api() override;

  http::HeadDecision on_head(const http::Request& head) override;
  boost::asio::awaitable<http::Response> on_request(http::Request request) override;

 private:
  using Timer = boost::asio::steady_timer;
  boost::asio::awaitable<http::Response> list(std::uint64_t after, Duration wait);
  http::Response detail(std::uint64_t number) const;
  boost::asio::awaitable<http::Response> resend(std::uint64_t number);
  void wake();

  boost::asio::any_io_executor executor_;
  std::shared_ptr<Recorder> recorder_;
  Guard guard_;
  Resend resend_;
  std::vector<std::weak_ptr<Timer>> waiting_;
  std::shared_ptr<std::size_t> resending_ = std::make_shared<std::size_t>(0);
};

}  // namespace postern::agent::inspector
