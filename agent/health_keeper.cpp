#include "agent/health_keeper.hpp"

#include <algorithm>
#include <iterator>

#include "agent/dial.hpp"
#include "base/http/connect_unix.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

/// A connection is made and dropped.
asio::awaitable<bool> takes_connections(HostPort app) {
  if (const auto path = socket_path(app.host)) {
    asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
    co_return !http::connect_unix(socket, std::string(*path));
  }
  const auto socket = co_await dial(app);
  co_return socket.has_value();
}

}  // namespace

void HealthKeeper::ended(const tunnel::DeliverHead& delivery, const tunnel::ResultHead& result) {
  const HostPort app{canonical_host(delivery.host).value_or(delivery.host), delivery.port};
  const SteadyTime now = clock_.steady();
  if (result.outcome == tunnel::ResultOutcome::delivered && watch_.answered(app, now)) changed();
  if (result.outcome != tunnel::ResultOutcome::not_sent) return;
  if (!watch_.not_sent(app, result.error_code, now)) return;
  log::warn("app.away", {{"app", app.to_string()}, {"code", result.error_code}});
  changed();
}

void HealthKeeper::rules_changed(const AllowList& allow) {
  const auto before = apps();
  allow_ = allow;
  watch_.rules_changed([&](const HostPort& app) { return allow.knows(app.host, app.port); });
  if (apps() != before) changed();
}

std::vector<tunnel::AppHealth> HealthKeeper::apps() const {
  std::vector<tunnel::AppHealth> all = watch_.list();
  for (tunnel::AppHealth& app : all) app.concurrency = most(app.host, app.port);
  for (const HostPort& at : allow_.bounded()) {
    const auto same = [&](const tunnel::AppHealth& app) {
      return app.host == at.host && app.port == at.port;
    };
    if (std::ranges::none_of(all, same)) all.push_back({at.host, at.port, true, {}, most(at.host, at.port)});
  }
  std::vector<tunnel::AppHealth> out;
  const auto add = [&](auto which) { std::ranges::copy_if(all, std::back_inserter(out), which); };
  add([](const auto& app) { return !app.reachable; });
  add([](const auto& app) { return app.reachable && app.concurrency > 0; });
  add([](const auto& app) { return app.reachable && app.concurrency == 0; });
  if (out.size() > tunnel::kAppsMost) out.resize(tunnel::kAppsMost);
  return out;
}

std::uint32_t HealthKeeper::most(std::string_view host, std::uint16_t port) const {
  return static_cast<std::uint32_t>(allow_.most(host, port));
}

/// With nothing to say the first failure can be told at once, before the answer that it is about.
void HealthKeeper::session_opened() {
  if (!apps().empty()) changed();
}

void HealthKeeper::stop() {
  stopped_ = true;
  timer_.cancel();
}

void HealthKeeper::changed() {
  untold_ = true;
  turn();
}

void HealthKeeper::turn() {
  if (stopped_) return;
  const SteadyTime now = clock_.steady();
  for (const HostPort& app : watch_.take_due(now))
    spawn(executor_, look(shared_from_this(), app), "agent.look");
  const bool again = !watch_.all_reachable() && now - told_at_ >= kTellAgain;
  if ((untold_ || again) && tells_.take(now)) tell(now);
  arm(now);
}

void HealthKeeper::tell(SteadyTime now) {
  untold_ = false;
  told_at_ = now;
  tell_(apps());
}

void HealthKeeper::arm(SteadyTime now) {
  std::optional<SteadyTime> next = watch_.next_look();
  const auto sooner = [&](SteadyTime at) { next = next ? std::min(*next, at) : at; };
  if (untold_) sooner(now + Duration(std::chrono::seconds(1)) / kTellPerSecond);
  if (!watch_.all_reachable()) sooner(told_at_ + kTellAgain);
  timer_.cancel();
  if (!next) return;
  timer_.expires_after(std::max(Duration(0), *next - now));
  timer_.async_wait([weak = weak_from_this()](auto ec) {
    const auto self = weak.lock();
    if (!ec && self) self->turn();
  });
}

asio::awaitable<void> HealthKeeper::look(std::shared_ptr<HealthKeeper> self, HostPort app) {
  const bool answers = co_await takes_connections(app);
  if (self->watch_.looked(app, answers, self->clock_.steady())) {
    log::info("app.back", {{"app", app.to_string()}});
    self->untold_ = true;
  }
  self->turn();
}

}  // namespace postern::agent
