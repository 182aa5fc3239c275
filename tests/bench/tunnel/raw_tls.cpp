#include "tests/bench/tunnel/raw_tls.hpp"

#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/log.hpp"
#include "tests/bench/tunnel/blocking_tls.hpp"
#include "tests/bench/tunnel/known_pair.hpp"

namespace postern::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kRecord = 16 * 1024;
constexpr std::size_t kHeader = 12;
constexpr char kBulk = 'b';
constexpr char kEcho = 'e';
constexpr char kFrames = 'f';

/// Counts, and tells the count at the end.
void sink(BlockingTls& peer) {
  std::vector<char> buffer(kRecord);
  std::uint64_t bytes = 0;
  while (const std::size_t got = peer.read(buffer.data(), buffer.size())) bytes += got;
  peer.write({reinterpret_cast<const char*>(&bytes), sizeof bytes});
}

/// Frame by frame, each a record and a write: what a multiplexer does that gathers nothing.
void echo_frames(BlockingTls& peer) {
  std::uint32_t size = 0;
  if (!peer.read_all(reinterpret_cast<char*>(&size), sizeof size)) return;
  std::string frame(size, '\0');
  while (peer.read_all(frame.data(), frame.size()) && peer.write(frame)) continue;
}

/// What comes in one record goes back in one.
void echo(BlockingTls& peer) {
  std::vector<char> buffer(kRecord);
  while (const std::size_t got = peer.read(buffer.data(), buffer.size())) {
    if (!peer.write({buffer.data(), got})) return;
  }
}

void serve_one(tcp::socket socket, const tunnel::TlsContext& tls) {
  try {
    BlockingTls peer(std::move(socket), tls);
    char what = 0;
    if (!peer.read_all(&what, 1)) return;
    if (what == kBulk) return sink(peer);
    if (what == kFrames) return echo_frames(peer);
    echo(peer);
  } catch (const std::exception& gone) {
    log::debug("bench.client_gone", {{"error", gone.what()}});
  }
}

BlockingTls dial(asio::io_context& io, std::uint16_t port, const tunnel::TlsContext& tls, char what) {
  tcp::socket socket(io);
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  BlockingTls peer(std::move(socket), tls);
  peer.write({&what, 1});
  return peer;
}

tunnel::TlsContext trusting(const std::string& pin) {
  return tunnel::TlsContext::client({pin});
}

/// Writes for so long, and returns what arrived.
std::uint64_t pour(BlockingTls& peer, std::int64_t until) {
  const std::string record(kRecord, 'x');
  while (nanoseconds() < until && peer.write(record)) continue;
  peer.end_writing();
  std::uint64_t bytes = 0;
  peer.read_all(reinterpret_cast<char*>(&bytes), sizeof bytes);
  return bytes;
}

}  // namespace

int serve_raw() {
  (void)std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
  const ServerKey key = ServerKey::make();
  say_ready(acceptor.local_endpoint().port(), key.pin);
  while (true) {
    std::thread([socket = acceptor.accept(), &key]() mutable {
      serve_one(std::move(socket), key.tls);
    }).detach();
  }
}

Figures load_raw(std::uint16_t port, const std::string& pin, const Load& load) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io;
  const tunnel::TlsContext tls = trusting(pin);
  std::deque<BlockingTls> peers;
  for (unsigned n = 0; n < load.streams; ++n) peers.push_back(dial(io, port, tls, kBulk));
  Figures figures;
  std::mutex mutex;
  const std::int64_t began = nanoseconds();
  const std::int64_t until = began + static_cast<std::int64_t>(load.seconds * 1e9);
  {
    std::vector<std::jthread> threads;
    threads.reserve(peers.size());
    for (BlockingTls& peer : peers) {
      threads.emplace_back([&peer, &figures, &mutex, until] {
        const std::uint64_t bytes = pour(peer, until);
        const std::lock_guard lock(mutex);
        figures.bytes += bytes;
      });
    }
  }
  figures.seconds = static_cast<double>(nanoseconds() - began) / 1e9;
  return figures;
}

Figures load_echo(std::uint16_t port, const std::string& pin, const Load& load, bool gather) {
  asio::io_context io;
  const tunnel::TlsContext tls = trusting(pin);
  BlockingTls peer = dial(io, port, tls, gather ? kEcho : kFrames);
  const std::string frame(kHeader + load.small, 'x');
  const auto size = static_cast<std::uint32_t>(frame.size());
  if (!gather) peer.write({reinterpret_cast<const char*>(&size), sizeof size});
  std::deque<std::int64_t> sent(load.in_flight, nanoseconds());
  std::string out;
  for (unsigned n = 0; n < load.in_flight; ++n) out += frame;
  peer.write(out);
  std::vector<char> buffer(kRecord);
  Figures figures;
  const std::int64_t began = nanoseconds() + static_cast<std::int64_t>(load.warm_up() * 1e9);
  const std::int64_t until = began + static_cast<std::int64_t>(load.seconds * 1e9);
  std::size_t part = 0;
  std::int64_t now = nanoseconds();
  while (now < until) {
    part += peer.read(buffer.data(), buffer.size());
    now = nanoseconds();
    out.clear();
    for (; part >= frame.size(); part -= frame.size()) {
      if (now >= began) figures.small.add(now - sent.front());
      sent.pop_front();
      sent.push_back(now);
      if (gather) {
        out += frame;
      } else {
        peer.write(frame);
      }
    }
    if (!out.empty()) peer.write(out);
  }
  figures.seconds = load.seconds;
  return figures;
}

}  // namespace postern::bench
