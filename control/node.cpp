#include "control/node.hpp"

#include <boost/asio/steady_timer.hpp>

#include <thread>

#include "base/log.hpp"
#include "control/node_parts.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;

constexpr Duration kPoll = std::chrono::milliseconds(5);
constexpr Duration kConnectionsEnd = std::chrono::seconds(1);
constexpr Duration kLoopsEnd = std::chrono::milliseconds(50);

asio::awaitable<void> pause(Duration time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

/// Until `left` is 0, at most `limit`; what is then left.
asio::awaitable<std::size_t> wait_for_none(std::function<std::size_t()> left, Duration limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (left() > 0 && std::chrono::steady_clock::now() < end) co_await pause(kPoll);
  co_return left();
}

}  // namespace

Node::Node(Settings settings, std::function<void(const std::string&)> on_fatal)
    : parts_(std::make_unique<Parts>(std::move(settings), std::move(on_fatal))) {}

Node::~Node() = default;

std::string Node::ready_line() const {
  const bool tls = !parts_->settings.ingest.tls_certificate.empty();
  return fmt::format("ready ingest={}://{} tunnel={} admin=http://{}", tls ? "https" : "http",
                     to_text(parts_->ingest_endpoint), to_text(parts_->tunnel_endpoint),
                     to_text(parts_->admin_endpoint));
}

void Node::reload() {
  asio::post(parts_->loops.first(), [parts = parts_.get()] { parts->certificate->look(); });
}

asio::awaitable<void> Node::drain() {
  Parts& parts = *parts_;
  const ShutdownSettings& times = parts.settings.shutdown;
  parts.health.set_draining();
  co_await pause(times.notice_time);
  parts.ingest->drain();
  parts.hub->announce();
  asio::post(parts.loops.first(), [&parts] { parts.stop_chores(); });
  const std::size_t requests =
      co_await wait_for_none([&] { return parts.ingest->busy(); }, times.requests_time);
  const auto attempts = co_await parts.dispatcher->drain(times.deliveries_time);
  parts.attempts_cut = attempts.unfinished;
  if (attempts.unfinished > 0) parts.store->event_log->give_back_leases();
  if (parts.nats) parts.nats->close();
  parts.hub->drain();
  const std::size_t agents =
      co_await wait_for_none([&] { return parts.hub->connections(); }, times.tunnel_time);
  // Last: until here an operator can watch.
  parts.admin->drain();
  co_await wait_for_none([&] { return parts.admin->busy(); }, std::chrono::milliseconds(500));
  log::info("serve.drained",
            {{"requests_cut", requests}, {"attempts_cut", attempts.unfinished}, {"agents_cut", agents}});
}

bool Node::close() {
  Parts& parts = *parts_;
  if (parts.monitor) parts.monitor->stop();
  if (parts.ingest) parts.ingest->stop();
  if (parts.admin) parts.admin->stop();
  if (parts.hub) parts.hub->stop();
  if (parts.redis) parts.redis->stop();
  // Whoever still waits for a program is answered, and the processes end.
  if (parts.programs) parts.programs->stop();
  // The store first: it answers whoever still waits for it, and its threads no longer call the dispatcher.
  if (parts.store && parts.store->event_log) parts.store->event_log->stop();
  if (parts.store) parts.store->database->stop();
  // The dispatcher's timers belong to its loop; the replays wake it.
  asio::post(parts.loops.first(), [&parts] {
    parts.stop_chores();
    if (parts.sessions) parts.sessions->stop();
    parts.dispatcher.reset();
  });
  const auto end = std::chrono::steady_clock::now() + kConnectionsEnd;
  while (parts.open_connections() > 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(kPoll);
  const bool ended = parts.open_connections() == 0 && parts.attempts_cut == 0;
  // What is left on the loops then are timers of the parts, which hold nothing and are destroyed with them.
  parts.loops.finish(kLoopsEnd);
  return ended;
}

std::size_t Node::Parts::open_connections() const {
  return (ingest ? ingest->connections() : 0) + (admin ? admin->connections() : 0) +
         (hub ? hub->connections() : 0);
}

}  // namespace postern::control
