#pragma once
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <optional>

#include "base/http/client.hpp"

namespace postern::http::test {

/// Answers each name from a table, so that no test asks a name server.
class FakeResolver final : public Resolver {
 public:
  using Addresses = std::vector<boost::asio::ip::address>;

  boost::asio::awaitable<Result<Addresses>> resolve(std::string host) override {
    asked.push_back(host);
    if (host == "never.example") {
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::hours(1));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    const auto found = table.find(host);
    if (found == table.end()) co_return fail("dns_failed", "no such name");
    Addresses addresses;
    for (const std::string& text : found->second) addresses.push_back(boost::asio::ip::make_address(text));
    co_return addresses;
  }

  std::map<std::string, std::vector<std::string>> table;
  std::vector<std::string> asked;
};

struct ClientTest : testing::Test {
  using Outcome = std::expected<ClientResponse, ClientError>;

  ClientTest() { options.resolver = resolver; }

  Client& client() {
    if (!client_) client_.emplace(options);
    return *client_;
  }
  /// Runs one exchange to its end on this thread.
  Outcome send(Origin origin, ClientRequest request, Duration limit = std::chrono::seconds(10)) {
    std::optional<Outcome> outcome;
    boost::asio::co_spawn(loop, client().send(std::move(origin), std::move(request), limit),
                          [&](std::exception_ptr error, Outcome result) {
                            if (error) std::rethrow_exception(error);
                            outcome = std::move(result);
                          });
    loop.restart();
    while (!outcome) loop.run_one();
    return std::move(*outcome);
  }
  static Origin local(std::uint16_t port, bool tls = false) { return {tls, "127.0.0.1", port}; }
  static ClientRequest get() { return {"GET", "/", {}, nullptr}; }
  static ClientRequest post(std::string body) {
    return {"POST", "/", {}, std::make_shared<const std::string>(std::move(body))};
  }
  /// "code nothing" or "code maybe"; the status when there was an answer.
  static std::string shown(const Outcome& outcome) {
    if (outcome) return std::to_string(outcome->status);
    return outcome.error().error.code + (outcome.error().sent == Sent::nothing ? " nothing" : " maybe");
  }

  boost::asio::io_context loop{1};
  std::shared_ptr<FakeResolver> resolver = std::make_shared<FakeResolver>();
  ClientOptions options;

 private:
  std::optional<Client> client_;
};

}  // namespace postern::http::test
