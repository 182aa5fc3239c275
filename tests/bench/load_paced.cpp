// Senders that wait for their answers: one coroutine a connection.
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "base/spawn.hpp"
#include "tests/bench/load_request.hpp"

namespace postern::bench {
namespace {

namespace asio = boost::asio;

struct Run {
  const Options& options;
  Totals totals;
  Steady::time_point began = Steady::now();
  std::uint64_t sequence = 0;

  /// Paced over all connections, or at once.
  Steady::time_point next_start() {
    const auto number = sequence++;
    if (options.rate <= 0) return Steady::now();
    return after(static_cast<double>(number) / options.rate);
  }
  Steady::time_point after(double seconds) const {
    return began + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(seconds));
  }
};

asio::awaitable<void> read_answer(asio::ip::tcp::socket& socket, std::string& buffer) {
  while (answer_length(buffer) == 0) {
    co_await asio::async_read(socket, asio::dynamic_buffer(buffer), asio::transfer_at_least(1),
                              asio::use_awaitable);
  }
}

asio::awaitable<void> one_connection(Run& run) {
  auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::socket socket(executor);
  const asio::ip::tcp::endpoint peer(asio::ip::make_address(run.options.host), run.options.port);
  co_await socket.async_connect(peer, asio::use_awaitable);
  socket.set_option(asio::ip::tcp::no_delay(true));
  Mac mac(Digest::sha256, run.options.secret);
  asio::steady_timer timer(executor);
  const auto end = run.after(run.options.seconds);
  std::string buffer;
  while (true) {
    const auto start = run.next_start();
    if (start >= end) co_return;
    if (start > Steady::now()) {
      timer.expires_at(start);
      co_await timer.async_wait(asio::use_awaitable);
    }
    const std::string request = make_request(run.options, mac, run.sequence);
    const auto from = run.options.rate > 0 ? start : Steady::now();
    co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
    co_await read_answer(socket, buffer);
    if (run.totals.count(buffer)) run.totals.accepted_after.add((Steady::now() - from).count());
    buffer.erase(0, answer_length(buffer));
  }
}

}  // namespace

Totals run_paced(const Options& options) {
  asio::io_context loop(1);
  Run run{options, {}};
  for (unsigned i = 0; i < options.connections; ++i)
    spawn(loop.get_executor(), one_connection(run), "bench.connection");
  loop.run();
  run.totals.seconds = std::chrono::duration<double>(Steady::now() - run.began).count();
  return std::move(run.totals);
}

}  // namespace postern::bench
