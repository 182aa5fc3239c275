// The app at the end of the way: answers 200 and measures, from the X-Bench-Sent header, how long each took
// to come. GET /stats answers what came since the last GET /stats. With --fail-every N each N-th request is
// answered 500.
#include <CLI/CLI.hpp>

#include <iostream>

#include "base/bytes.hpp"
#include "base/http/server.hpp"
#include "tests/bench/latency.hpp"

namespace postern::bench {
namespace {

namespace asio = boost::asio;

class Sink final : public http::Handler {
 public:
  explicit Sink(unsigned fail_every) : fail_every_(fail_every) {}
  http::HeadDecision on_head(const http::Request&) override { return http::ReadBody{64 * 1024 * 1024}; }

  asio::awaitable<http::Response> on_request(http::Request request) override {
    if (request.method == "GET") co_return stats();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    if (const std::string* sent = http::find_header(request.headers, "x-bench-sent")) {
      latencies_.add(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() -
                     static_cast<std::int64_t>(parse_u64(*sent).value_or(0)));
    }
    http::Response response;
    if (fail_every_ > 0 && ++count_ % fail_every_ == 0) response.status = 500;
    co_return response;
  }

 private:
  http::Response stats() {
    http::Response response;
    response.body = latencies_.json();
    latencies_ = {};
    return response;
  }

  const unsigned fail_every_;
  std::uint64_t count_ = 0;
  Latencies latencies_;
};

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  namespace asio = boost::asio;
  unsigned fail_every = 0;
  CLI::App app{"Receives deliveries and measures how long they took"};
  app.add_option("--fail-every", fail_every, "0: none");
  CLI11_PARSE(app, argc, argv);
  asio::io_context loop(1);
  asio::io_context* loops[] = {&loop};
  postern::bench::Sink sink(fail_every);
  postern::http::ServerOptions options;
  options.listen = {asio::ip::make_address("127.0.0.1"), 0};
  postern::http::Server server(loops, sink, options);
  const auto bound = server.start();
  if (!bound) {
    std::cerr << bound.error().message << std::endl;
    return 1;
  }
  std::cout << "ready port=" << bound->port() << std::endl;
  loop.run();
}
