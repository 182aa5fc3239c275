// Load generator: signed Stripe events over kept connections, as fast as they are answered or at a fixed
// rate. With --open it does not wait for a relay that is slow: what could not be sent in time is left out and
// counted, and what was refused is sent again, as it is, at the next time a request is due.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <iostream>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/spawn.hpp"
#include "tests/bench/latency.hpp"

namespace postern::bench {
namespace {

namespace asio = boost::asio;
using Steady = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string path;
  std::string secret = "whsec_bench";
  unsigned connections = 64;
  double seconds = 5;
  double rate = 0;
  std::size_t size = 1024;
  bool open = false;
};

struct Totals {
  Latencies latencies;  ///< of what was accepted
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< 429 and 503
  std::uint64_t other = 0;
  std::uint64_t missed = 0;  ///< due, but no connection was free in time
  std::uint64_t sequence = 0;
  unsigned connected = 0;
  Steady::time_point began;  ///< with --open: when all were connected
};

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// One request with an id of its own, signed now. X-Bench-Sent lets the receiving app measure the whole way.
std::string make_request(const Options& options, Mac& mac, std::uint64_t number) {
  std::string body = fmt::format(
      R"({{"id":"evt_{:016x}{:08x}","object":"event","type":"invoice.paid","data":{{"object":{{"amount_paid":4200}}}},"pad":")",
      wall_ns(), number);
  body.append(options.size > body.size() + 2 ? options.size - body.size() - 2 : 0, 'x');
  body += "\"}";
  const std::string stamp = fmt::format("{}", wall_ns() / 1'000'000'000);
  mac.update(stamp);
  mac.update(".");
  mac.update(body);
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nUser-Agent: Stripe/1.0\r\n"
      "Stripe-Signature: t={},v1={}\r\nX-Bench-Sent: {}\r\nContent-Length: {}\r\n\r\n{}",
      options.path, options.host, options.port, stamp, hex_encode(mac.finish()), wall_ns(), body.size(),
      body);
}

std::size_t content_length(std::string_view head) {
  const auto at = ascii_lower(head).find("content-length: ");
  if (at == std::string::npos) return 0;
  const auto rest = head.substr(at + 16);
  return parse_u64(rest.substr(0, rest.find('\r'))).value_or(0);
}

constexpr auto kTooLate = std::chrono::milliseconds(100);

/// When the next request may start: paced over all connections, or at once.
Steady::time_point next_start(const Options& options, Totals& totals, Steady::time_point began) {
  if (options.rate <= 0) return ++totals.sequence, Steady::now();
  if (options.open) {
    const std::chrono::duration<double> late = Steady::now() - kTooLate - began;
    const auto first = static_cast<std::uint64_t>(std::max(0.0, late.count()) * options.rate);
    if (first > totals.sequence) totals.missed += first - std::exchange(totals.sequence, first);
  }
  const auto number = totals.sequence++;
  return began + std::chrono::duration_cast<Steady::duration>(
                     std::chrono::duration<double>(static_cast<double>(number) / options.rate));
}

/// True when it was accepted.
bool count(Totals& totals, std::string_view answer, std::int64_t took) {
  const std::string_view status = answer.size() > 12 ? answer.substr(9, 3) : std::string_view();
  const bool accepted = status.starts_with('2');
  if (accepted) totals.latencies.add(took);
  (accepted ? totals.accepted : status == "503" || status == "429" ? totals.refused : totals.other) += 1;
  return accepted;
}

/// Connecting by the thousand is a load of its own, and not what is measured.
asio::awaitable<void> all_connected(const Options& options, Totals& totals) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  if (++totals.connected == options.connections) totals.began = Steady::now();
  while (options.open && totals.connected < options.connections) {
    timer.expires_after(std::chrono::milliseconds(10));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> one_connection(const Options& options, Totals& totals, Steady::time_point started) {
  auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::socket socket(executor);
  const asio::ip::tcp::endpoint peer(asio::ip::make_address(options.host), options.port);
  co_await socket.async_connect(peer, asio::use_awaitable);
  socket.set_option(asio::ip::tcp::no_delay(true));
  co_await all_connected(options, totals);
  const auto began = options.open ? totals.began : started;
  Mac mac(Digest::sha256, options.secret);
  asio::steady_timer timer(executor);
  std::string buffer, request;
  const auto end =
      began + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(options.seconds));
  while (true) {
    const auto start = next_start(options, totals, began);
    if (start >= end) co_return;
    if (start > Steady::now()) {
      timer.expires_at(start);
      co_await timer.async_wait(asio::use_awaitable);
    }
    if (request.empty()) request = make_request(options, mac, totals.sequence);
    // With a rate the clock starts when the request was due: a stalled server is not forgiven its queue.
    const auto from = options.rate > 0 ? start : Steady::now();
    co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
    const auto head = co_await asio::async_read_until(socket, asio::dynamic_buffer(buffer), "\r\n\r\n",
                                                      asio::use_awaitable);
    const std::size_t whole = head + content_length(std::string_view(buffer).substr(0, head));
    if (buffer.size() < whole) {
      co_await asio::async_read(socket, asio::dynamic_buffer(buffer),
                                asio::transfer_exactly(whole - buffer.size()), asio::use_awaitable);
    }
    const bool accepted = count(totals, buffer, (Steady::now() - from).count());
    if (accepted || !options.open) request.clear();
    buffer.erase(0, whole);
  }
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int run(const Options& options) {
  asio::io_context loop(1);
  Totals totals;
  const auto began = Steady::now();
  for (unsigned i = 0; i < options.connections; ++i) {
    spawn(loop.get_executor(), one_connection(options, totals, began), "bench.connection");
  }
  loop.run();
  const double took =
      std::chrono::duration<double>(Steady::now() - (options.open ? totals.began : began)).count();
  std::cout
      << fmt::format(
             R"({{"accepted":{},"refused":{},"missed":{},"other":{},"seconds":{:.3f},"per_second":{:.0f},"client_cpu":{:.2f},"latency":{}}})",
             totals.accepted, totals.refused, totals.missed, totals.other, took,
             static_cast<double>(totals.accepted) / took, cpu_seconds(), totals.latencies.json())
      << std::endl;
  return totals.accepted > 0 ? 0 : 1;
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  postern::bench::Options options;
  CLI::App app{"Posts signed Stripe events and prints what came of it as JSON"};
  app.add_option("--port", options.port)->required();
  app.add_option("--path", options.path)->required();
  app.add_option("--secret", options.secret);
  app.add_option("--connections", options.connections);
  app.add_option("--seconds", options.seconds);
  app.add_option("--rate", options.rate, "requests/s over all connections; 0: as fast as they are answered");
  app.add_flag("--open", options.open, "with a rate: waits for nobody, and sends what was refused again");
  app.add_option("--size", options.size, "bytes of the body");
  CLI11_PARSE(app, argc, argv);
  return postern::bench::run(options);
}
