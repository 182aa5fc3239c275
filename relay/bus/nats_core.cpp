#include "relay/bus/nats_core.hpp"

#include "base/backoff.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"
#include "base/random.hpp"

namespace postern::relay {
namespace {

using Kind = NatsAnswer::Kind;

/// A server that closes each connection soon after it was made is not to be asked ever faster.
constexpr Duration kLasting = std::chrono::seconds(1);

NatsAnswer away() {
  return {Kind::not_sent, "nats_away", "NATS is not connected.", {}};
}

/// Of NatsLink::publish.
NatsAnswer failed(const Error& error) {
  if (error.code == "nats_not_connected") return away();
  const Kind kind = error.code == "nats_write_failed" ? Kind::maybe_sent : Kind::not_sent;
  return {kind, error.code, fmt::format("NATS: {}.", error.message), {}};
}

}  // namespace

NatsCore::NatsCore(NatsOptions options, prometheus::Registry& metrics)
    : options_(std::move(options)),
      metrics_(metrics),
      outstanding_(options_.most_requests, options_.most_bytes) {}

void NatsCore::start() {
  thread_ = std::thread([this] { run(); });
}

void NatsCore::close() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  connected_ = false;
  outstanding_.forget();
  changed_.notify_all();
}

// The thread is never left behind: one that is still in a TLS handshake when the program ends would meet
// OpenSSL taking itself apart.
void NatsCore::stop() {
  close();
  thread_.join();
  const std::lock_guard lock(hearing_);
  deaf_ = true;
  subscriptions_.clear();
}

std::variant<NatsOutstanding::Token, NatsAnswer> NatsCore::send(NatsMessage& message,
                                                                NatsOutstanding::Done done) {
  const std::lock_guard lock(mutex_);
  if (!connected_) return away();
  const auto token = outstanding_.add_request(message, std::move(done));
  report();
  if (!token) return NatsAnswer{Kind::not_sent, "nats_busy", "Too much is on its way to NATS.", {}};
  changed_.notify_all();
  return *token;
}

bool NatsCore::post(NatsMessage message) {
  const std::lock_guard lock(mutex_);
  if (!connected_ || !outstanding_.add_post(message)) return false;
  changed_.notify_all();
  return true;
}

std::optional<NatsOutstanding::Stage> NatsCore::abandon(NatsOutstanding::Token token) {
  const std::lock_guard lock(mutex_);
  const auto stage = outstanding_.abandon(token);
  report();
  return stage;
}

void NatsCore::subscribe(std::string subject, NatsClient::Heard heard) {
  {
    const std::lock_guard lock(hearing_);
    if (deaf_) return;
    subscriptions_.push_back(
        std::make_shared<const Subscription>(Subscription{std::move(subject), std::move(heard)}));
    subscription_count_ = subscriptions_.size();
  }
  // The lock orders this with the writer's look at the count before it goes to sleep.
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void NatsCore::report() {
  metrics_.outstanding(outstanding_.requests(), outstanding_.bytes());
}

void NatsCore::on_message(std::uint64_t link, std::uint64_t tag, std::string_view subject,
                          NatsAnswer answer) {
  if (tag > 0) {
    const std::lock_guard lock(hearing_);
    if (!deaf_ && tag <= subscriptions_.size()) subscriptions_[tag - 1]->heard(subject, answer.data);
    return;
  }
  const std::lock_guard lock(mutex_);
  if (link != link_ || subject.size() <= inbox_.size() + 1) return;
  const auto token = parse_u64(subject.substr(inbox_.size() + 1));
  if (!token) return;
  outstanding_.answer(*token, std::move(answer));
  report();
}

void NatsCore::on_lost(std::uint64_t link, std::string why) {
  const std::lock_guard lock(mutex_);
  if (link != link_) return;
  lost_ = why.empty() ? "closed" : std::move(why);
  changed_.notify_all();
}

void NatsCore::run() {
  SystemRandom random;
  Backoff backoff(options_.reconnect_least, options_.reconnect_most);
  server_ = static_cast<std::size_t>(random.unit() * static_cast<double>(options_.servers.size()));
  do {
    if (const auto link = connect()) {
      const auto since = std::chrono::steady_clock::now();
      serve(*link);
      if (std::chrono::steady_clock::now() - since > kLasting) backoff.reset();
    }
  } while (pause(backoff.next(random)));
  NatsLink::release_thread();
}

// One at a time, so that stop() waits for no more than one.
std::unique_ptr<NatsLink> NatsCore::connect() {
  NatsOptions options = options_;
  options.servers = {options_.servers[server_++ % options_.servers.size()]};
  auto link = NatsLink::open(options, weak_from_this());
  if (link) return std::move(*link);
  if (std::exchange(told_, link.error().message) != link.error().message) {
    log::warn("nats.unreachable",
              {{"server", nats_server_shown(options.servers[0])}, {"error", link.error().message}});
  }
  return nullptr;
}

bool NatsCore::pause(Duration time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

void NatsCore::serve(NatsLink& link) {
  up(link);
  while (write_next(link)) {
  }
  down();
}

void NatsCore::up(NatsLink& link) {
  told_.clear();
  subscribed_ = 0;
  subscribe_new(link);
  max_payload_ = link.max_payload();
  log::info("nats.connected", {{"server", link.server()}});
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  link_ = link.id();
  inbox_ = link.inbox();
  if (link.closed()) lost_ = "closed";  // its event came before this link was ours to hear of
  connected_ = true;
  metrics_.connected(true);
}

// What was written to this connection can no longer be answered through it.
void NatsCore::down() {
  const std::lock_guard lock(mutex_);
  connected_ = false;
  metrics_.connected(false);
  metrics_.lost();
  if (!stopping_) log::warn("nats.connection_lost", {{"error", lost_}});
  link_ = 0;
  outstanding_.fail_written({Kind::maybe_sent,
                             "nats_connection_lost",
                             "The connection to NATS was lost before it acknowledged the message.",
                             {}});
  outstanding_.fail_queued(away());
  lost_.clear();
  report();
}

bool NatsCore::write_next(NatsLink& link) {
  std::optional<NatsOutstanding::Next> next;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] {
      return stopping_ || !lost_.empty() || outstanding_.has_next() || subscribed_ < subscription_count_;
    });
    if (stopping_ || !lost_.empty()) return false;
    next = outstanding_.next();
  }
  subscribe_new(link);
  if (next) write(link, std::move(*next));
  return true;
}

void NatsCore::write(NatsLink& link, NatsOutstanding::Next next) {
  const std::string reply = next.token == 0 ? "" : fmt::format("{}.{}", link.inbox(), next.token);
  const auto sent = link.publish(next.message, reply);
  if (sent || next.token == 0) return;
  const std::lock_guard lock(mutex_);
  outstanding_.answer(next.token, failed(sent.error()));
}

void NatsCore::subscribe_new(NatsLink& link) {
  for (; subscribed_ < subscription_count_; ++subscribed_) {
    std::shared_ptr<const Subscription> next;
    {
      const std::lock_guard lock(hearing_);
      next = subscriptions_[subscribed_];
    }
    const auto done = link.subscribe(next->subject, subscribed_ + 1);
    if (!done)
      log::warn("nats.subscribe_failed", {{"subject", next->subject}, {"error", done.error().message}});
  }
}

}  // namespace postern::relay
