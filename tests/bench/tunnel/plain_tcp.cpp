#include "tests/bench/tunnel/plain_tcp.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/spawn.hpp"
#include "tests/bench/tunnel/known_pair.hpp"

namespace postern::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kBuffer = 64 * 1024;
constexpr char kBulk = 'b';
constexpr char kEcho = 'e';

/// Every 64 KiB of bulk is acknowledged with a byte, so that the sender knows what has come through.
asio::awaitable<void> serve_one(tcp::socket socket) {
  socket.set_option(tcp::no_delay(true));
  std::string buffer(kBuffer, '\0');
  char what = 0;
  (void)co_await asio::async_read(socket, asio::buffer(&what, 1), kToken);
  std::uint64_t bytes = 0;
  while (true) {
    auto [error, got] = co_await socket.async_read_some(asio::buffer(buffer), kToken);
    if (error) co_return;
    const std::uint64_t before = bytes / kBuffer;
    bytes += got;
    const std::size_t back = what == kEcho ? got : bytes / kBuffer - before;
    if (back > 0) (void)co_await asio::async_write(socket, asio::buffer(buffer.data(), back), kToken);
  }
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor) {
  while (true) {
    auto [error, socket] = co_await acceptor.async_accept(kToken);
    if (!error) spawn(acceptor.get_executor(), serve_one(std::move(socket)), "bench.serve");
  }
}

struct Run {
  Load load;
  Figures figures;
  std::int64_t began = 0;
  std::int64_t until = 0;
  bool counts(std::int64_t now) const { return now >= began && now < until; }
};

asio::awaitable<void> ask(tcp::socket socket, Run& run) {
  std::string bytes(run.load.small, 'x');
  (void)co_await asio::async_write(socket, asio::buffer(&kEcho, 1), kToken);
  while (true) {
    const std::int64_t sent = nanoseconds();
    (void)co_await asio::async_write(socket, asio::buffer(bytes), kToken);
    auto [error, got] = co_await asio::async_read(socket, asio::buffer(bytes), kToken);
    const std::int64_t now = nanoseconds();
    if (error || now >= run.until) co_return;
    if (run.counts(now)) run.figures.small.add(now - sent);
  }
}

asio::awaitable<void> pour(std::shared_ptr<tcp::socket> socket, Run& run) {
  const std::string bytes(kBuffer, 'x');
  (void)co_await asio::async_write(*socket, asio::buffer(&kBulk, 1), kToken);
  while (nanoseconds() < run.until) {
    auto [error, put] = co_await asio::async_write(*socket, asio::buffer(bytes), kToken);
    if (error) co_return;
  }
}

asio::awaitable<void> count(std::shared_ptr<tcp::socket> socket, Run& run) {
  std::string acks(kBuffer, '\0');
  while (nanoseconds() < run.until) {
    auto [error, got] = co_await socket->async_read_some(asio::buffer(acks), kToken);
    if (error) co_return;
    if (run.counts(nanoseconds())) run.figures.bytes += got * kBuffer;
  }
}

tcp::socket dial(asio::io_context& loop, std::uint16_t port) {
  tcp::socket socket(loop);
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  socket.set_option(tcp::no_delay(true));
  return socket;
}

}  // namespace

int serve_tcp() {
  asio::io_context loop(1);
  tcp::acceptor acceptor(loop, {asio::ip::make_address("127.0.0.1"), 0});
  say_ready(acceptor.local_endpoint().port(), "");
  spawn(loop.get_executor(), accept_all(acceptor), "bench.accept");
  loop.run();
  return 0;
}

Figures load_tcp(std::uint16_t port, const Load& load) {
  asio::io_context loop(1);
  Run run{load, {}, 0, 0};
  run.began = nanoseconds() + static_cast<std::int64_t>(load.warm_up() * 1e9);
  run.until = run.began + static_cast<std::int64_t>(load.seconds * 1e9);
  for (unsigned n = 0; n < load.in_flight; ++n)
    spawn(loop.get_executor(), ask(dial(loop, port), run), "bench.ask");
  for (unsigned n = 0; n < load.streams; ++n) {
    const auto socket = std::make_shared<tcp::socket>(dial(loop, port));
    spawn(loop.get_executor(), pour(socket, run), "bench.pour");
    spawn(loop.get_executor(), count(socket, run), "bench.count");
  }
  asio::steady_timer timer(loop);
  timer.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(run.until)));
  timer.async_wait([&loop](const boost::system::error_code&) { loop.stop(); });
  loop.run();
  run.figures.seconds = load.seconds;
  return run.figures;
}

}  // namespace postern::bench
