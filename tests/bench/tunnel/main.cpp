// Loads the tunnel and what it is compared with; tests/bench/tunnel_bench.py puts the pieces together.
#include <CLI/CLI.hpp>

#include <iostream>

#include "base/bytes.hpp"
#include "base/heap.hpp"
#include "tests/bench/tunnel/ours.hpp"
#include "tests/bench/tunnel/plain_tcp.hpp"
#include "tests/bench/tunnel/raw_tls.hpp"

int main(int argc, char** argv) {
  namespace bench = postern::bench;
  bench::Load load;
  std::uint16_t port = 0;
  std::string pin;
  bool gather = false;
  CLI::App app{"Loads the tunnel and what it is compared with"};
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--seconds", load.seconds, "Of measuring");
  app.add_option("--in-flight", load.in_flight, "Small requests at once");
  app.add_option("--streams", load.streams, "Of bulk");
  app.add_option("--port", port, "To be dialled");
  app.add_option("--pin", pin, "What the server printed");
  app.add_flag("--gather", gather, "Of echo: what came together goes back together");
  const auto* serve_raw = app.add_subcommand("serve-raw", "Bare TLS: counts bulk, echoes frames");
  const auto* serve_tcp = app.add_subcommand("serve-tcp", "The server behind a peer's tunnel");
  const auto* agent = app.add_subcommand("agent", "The agent's end of our tunnel");
  const auto* relay = app.add_subcommand("relay", "The relay's end of it, which makes the load");
  const auto* raw = app.add_subcommand("raw", "Bulk through bare TLS");
  const auto* echo = app.add_subcommand("echo", "Frames to the echo over bare TLS");
  const auto* tcp = app.add_subcommand("tcp", "Load through a peer's tunnel");
  CLI11_PARSE(app, argc, argv);

  const std::string key = postern::hex_decode(pin).value_or("");
  if (*serve_raw) return bench::serve_raw();
  if (*serve_tcp) return bench::serve_tcp();
  if (*agent) {
    postern::keep_freed_memory();  // as postern-agent does
    return bench::serve_agent_end(port, key);
  }
  if (*relay) return bench::measure_relay_end(load);
  bench::Figures figures;
  if (*raw) figures = bench::load_raw(port, key, load);
  if (*echo) figures = bench::load_echo(port, key, load, gather);
  if (*tcp) figures = bench::load_tcp(port, load);
  std::cout << figures.json() << std::endl;
}
