#include "agent/forwarder.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <vector>

#include "base/log.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

http::ClientOptions client_options(const AppTls& tls, const Limits& limits) {
  http::ClientOptions options = app_client_options(tls);
  options.idle_per_origin = limits.deliveries;
  return options;
}

tunnel::ResultHead probe_passed() {
  tunnel::ResultHead head;
  head.outcome = tunnel::ResultOutcome::delivered;
  head.status = 204;
  return head;
}

std::string app_of(const tunnel::DeliverHead& head) {
  return app_name(head.host, head.port);
}

}  // namespace

std::string app_name(std::string_view host, std::uint16_t port) {
  if (socket_path(host)) return std::string(host);
  return HostPort{canonical_host(host).value_or(std::string(host)), port}.to_string();
}

/// What is served between two changes.
struct Forwarder::Rules {
  AllowList allow;
  Limits limits;
  AppTls tls;
  std::shared_ptr<http::Client> client;  ///< the same one for as long as it would be made the same way
};

struct Forwarder::Job {
  Job(Calls::CallPtr made, std::shared_ptr<const Rules> now, SteadyTime deadline,
      const asio::any_io_executor& executor)
      : call(std::move(made)), rules(std::move(now)), until(deadline), watchdog(executor) {}

  const Calls::CallPtr call;
  const std::shared_ptr<const Rules> rules;
  SteadyTime until;
  asio::steady_timer watchdog;
  asio::cancellation_signal cancel;
  inspector::Recording recording;
  const tunnel::DeliverHead& head() const { return call->head(); }
  tunnel::IncomingDelivery& delivery() const { return *call->streams.front(); }
};

Forwarder::Forwarder(asio::any_io_executor executor, AllowList allow, Limits limits, const AppTls& tls,
                     ResultKeeper& results, StatusBoard& board, const Clock& clock)
    : executor_(std::move(executor)),
      results_(results),
      board_(board),
      clock_(clock),
      calls_(results, 2 * limits.deliveries),
      budget_(limits.budget_bytes) {
  serve(std::move(allow), limits, tls);
}

void Forwarder::serve(AllowList allow, Limits limits, const AppTls& tls) {
  const bool same_client = rules_ && rules_->tls == tls && rules_->limits.deliveries == limits.deliveries;
  auto client = same_client ? rules_->client : std::make_shared<http::Client>(client_options(tls, limits));
  rules_ = std::make_shared<const Rules>(Rules{std::move(allow), limits, tls, std::move(client)});
  calls_.allow(2 * limits.deliveries);
  budget_.resize(limits.budget_bytes);
}

void Forwarder::hold(std::function<void(const tunnel::DeliverHead&)> came) {
  door_ = Door::held;
  came_ = std::move(came);
}

void Forwarder::release() {
  door_ = Door::open;
  came_ = {};
  for (auto& delivery : std::exchange(held_, {})) forward(std::move(delivery));
}

void Forwarder::refuse() {
  door_ = Door::shut;
  for (const auto& delivery : std::exchange(held_, {})) delivery->reset(tunnel::ResetCode::refused);
}

void Forwarder::ended_elsewhere(DeliveryId id, const std::optional<Outcome>& outcome) {
  for (auto& delivery : calls_.ended_elsewhere(id, outcome)) {
    if (results_.answer_for(delivery->head())) {
      take(std::move(delivery));
    } else {
      forward(std::move(delivery));
    }
  }
}

void Forwarder::elsewhere_is_gone() {
  for (const DeliveryId id : calls_.under_way_elsewhere()) ended_elsewhere(id, std::nullopt);
}

void Forwarder::forward(std::shared_ptr<tunnel::IncomingDelivery> delivery) {
  if (door_ == Door::shut) return delivery->reset(tunnel::ResetCode::refused);
  if (door_ == Door::held) {
    // Who has given up gives its place back: without this the relay could fill them for as long as it waits.
    std::erase_if(held_, [](const auto& earlier) { return earlier->cancelled(); });
    held_.push_back(delivery);
    if (came_) came_(delivery->head());
    return;
  }
  take(std::move(delivery));
}

void Forwarder::take(std::shared_ptr<tunnel::IncomingDelivery> delivery) {
  if (delivery->head().probe) {
    tell(*delivery, probe_passed(), {});
    return board_.tick();  // which session is live is news
  }
  board_.status().last_delivery_at = clock_.now();
  Calls::Arrival arrival = calls_.arrived(delivery);
  if (arrival.joined || arrival.elsewhere) return;
  if (arrival.fresh) return begin(std::move(arrival.fresh));
  if (!arrival.known) {
    AppAnswer busy = not_sent("agent_busy", "The agent has too many deliveries under way.");
    return tell(*delivery, busy.head, {});
  }
  ++board_.counters().told_again;
  arrival.known->head.from_journal = true;
  inspector::Recording(recorder_, delivery->head()).ended(arrival.known->head, arrival.known->body);
  tell(*delivery, arrival.known->head, std::move(arrival.known->body));
}

void Forwarder::begin(Calls::CallPtr call) {
  const SteadyTime until = clock_.steady() + call->head().deadline;
  auto job = std::make_shared<Job>(std::move(call), rules_, until, executor_);
  job->recording = inspector::Recording(recorder_, job->head());
  ++board_.counters().in_flight;
  // Weak: the delivery keeps its handler, and the job keeps the delivery. Who joins later needs none: without
  // a stream the call goes on, or has not begun and finds out when it would.
  job->delivery().on_cancel([weak = std::weak_ptr(job)] {
    const auto alive = weak.lock();
    if (alive && !alive->call->begun && !alive->call->wanted())
      alive->cancel.emit(asio::cancellation_type::terminal);
  });
  watch(job);
  auto done = [self = shared_from_this(), job](const std::exception_ptr& error) { self->ended(job, error); };
  asio::co_spawn(executor_, run(shared_from_this(), job),
                 asio::bind_cancellation_slot(job->cancel.slot(), std::move(done)));
}

void Forwarder::tell(tunnel::IncomingDelivery& delivery, const tunnel::ResultHead& head, std::string body) {
  if (delivery.cancelled()) return;
  const auto sent = delivery.respond(head, std::move(body));
  if (sent) return;
  log::info("delivery.answer_lost", {{"delivery", delivery.head().delivery_id}, {"code", sent.error().code}});
}

/// The relay gives up first, as a rule. This is for one that neither sends the body nor lets go.
void Forwarder::watch(const std::shared_ptr<Job>& job) {
  constexpr auto kGrace = std::chrono::seconds(2);
  job->watchdog.expires_after(left(*job) + kGrace);
  job->watchdog.async_wait([self = shared_from_this(), weak = std::weak_ptr(job)](const auto& ec) {
    auto alive = weak.lock();
    if (ec || !alive) return;
    AppAnswer late = not_sent("timeout", "The relay did not send the whole request before its deadline.");
    if (alive->call->begun) {
      late.head.outcome = tunnel::ResultOutcome::maybe_sent;
      late.head.error_message = "The app did not answer before the deadline.";
    }
    self->answer(*alive, std::move(late));
    alive->cancel.emit(asio::cancellation_type::terminal);
  });
}

void Forwarder::ended(const std::shared_ptr<Job>& job, const std::exception_ptr& error) {
  --board_.counters().in_flight;
  job->watchdog.cancel();
  calls_.leave(job->call);
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) return;
    log::error("delivery.failed", {{"delivery", job->head().delivery_id}, {"error", e.what()}});
  } catch (const std::exception& e) {
    log::error("delivery.failed", {{"delivery", job->head().delivery_id}, {"error", e.what()}});
  }
}

asio::awaitable<void> Forwarder::run(std::shared_ptr<Forwarder> self, std::shared_ptr<Job> job) {
  auto result = co_await self->attempt(job);
  self->answer(*job, std::move(result));
}

Duration Forwarder::left(const Job& job) const {
  return std::max(Duration(0), job.until - clock_.steady());
}

Result<AllowList::Permission> Forwarder::permit(const Rules& rules, const tunnel::DeliverHead& head) {
  auto permission =
      rules.allow.permit({head.tls, head.host, head.port, head.method, head.target, head.headers});
  if (!permission) return permission;
  if (head.body_size > rules.limits.body_bytes) {
    return fail("body_too_large", fmt::format("The body has {} bytes; this agent takes {}.", head.body_size,
                                              rules.limits.body_bytes));
  }
  return permission;
}

Result<Forwarder::Ready> Forwarder::get_ready(const Rules& rules, const tunnel::DeliverHead& head) {
  auto permitted = permit(rules, head);
  if (!permitted) return std::unexpected(permitted.error());
  auto request = to_app_request(head);
  if (!request) return std::unexpected(request.error());
  request->pins = std::move(permitted->pins);
  std::string app = app_of(head);
  const std::size_t most = rules.allow.most(head.host, head.port);
  auto slot = slots_.take(app, most);
  if (slot) return Ready{std::move(*request), std::move(app), std::move(*slot)};
  return fail("no_credit",
              fmt::format("{} has {} deliveries at once already, and is given no more.", app, most));
}

asio::awaitable<AppAnswer> Forwarder::attempt(std::shared_ptr<Job> job) {
  const tunnel::DeliverHead& head = job->head();
  auto ready = get_ready(*job->rules, head);
  if (!ready) {
    if (ready.error().code.ends_with("not_allowed")) ++board_.counters().refused;
    co_return not_sent(ready.error().code, ready.error().message);
  }
  // A body costs its app at least something, so that endless empty ones are bounded too.
  const std::size_t room = static_cast<std::size_t>(head.body_size) + 1;
  auto hold = co_await budget_.take(ready->app, room, left(*job));
  if (!hold) co_return not_sent("agent_busy", "The agent had no memory for the body before the deadline.");
  auto body = co_await read_body(job);
  if (!body) co_return not_sent(body.error().code, body.error().message);
  job->recording.body(**body);
  attach_body(ready->request, std::move(*body));
  co_return co_await ask_app(job, std::move(ready->request));
}

asio::awaitable<AppAnswer> Forwarder::resend(std::shared_ptr<Forwarder> self, tunnel::DeliverHead head,
                                             std::shared_ptr<const std::string> body) {
  const auto rules = self->rules_;
  const SteadyTime until = self->clock_.steady() + head.deadline;
  auto ready = self->get_ready(*rules, head);
  if (!ready) co_return not_sent(ready.error().code, ready.error().message);
  auto hold = co_await self->budget_.take(ready->app, body->size() + 1, head.deadline);
  const Duration limit = until - self->clock_.steady();
  if (!hold || limit <= Duration(0))
    co_return not_sent("agent_busy", "The agent had no memory for the body before the deadline.");
  attach_body(ready->request, std::move(body));
  co_return co_await call(rules, origin_of(head), std::move(ready->request), limit);
}

asio::awaitable<Result<std::shared_ptr<const std::string>>> Forwarder::read_body(std::shared_ptr<Job> job) {
  const auto expected = static_cast<std::size_t>(job->head().body_size);
  auto body = std::make_shared<std::string>();
  body->reserve(expected);
  while (true) {
    auto piece = co_await job->delivery().read();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (piece->size() > expected - body->size())
      co_return fail("bad_request", "The body is longer than announced.");
    body->append(*piece);
  }
  if (body->size() != expected) co_return fail("bad_request", "The body is shorter than announced.");
  co_return std::shared_ptr<const std::string>(std::move(body));
}

asio::awaitable<AppAnswer> Forwarder::ask_app(std::shared_ptr<Job> job, http::ClientRequest request) {
  const Duration limit = left(*job);
  if (limit <= Duration(0))
    co_return not_sent("timeout", "The deadline passed before the app could be called.");
  if (!calls_.begin(*job->call))
    co_return not_sent("cancelled", "The relay gave the delivery up before the app was called.");
  co_return co_await call(job->rules, origin_of(job->head()), std::move(request), limit);
}

asio::awaitable<AppAnswer> Forwarder::call(std::shared_ptr<const Rules> rules, http::Origin origin,
                                           http::ClientRequest request, Duration limit) {
  auto response = co_await rules->client->send(std::move(origin), std::move(request), limit);
  if (!response) co_return to_answer(response.error());
  co_return to_answer(std::move(*response));
}

void Forwarder::answer(Job& job, AppAnswer answer) {
  const auto told = calls_.over(job.call, answer.head, answer.body);
  if (told.empty()) return;
  job.recording.ended(answer.head, answer.body);
  count(answer.head);
  if (outcome_) outcome_(job.head(), answer.head);
  if (log::enabled(log::Level::debug)) {
    log::debug("delivery.forwarded", {{"delivery", job.head().delivery_id},
                                      {"app", app_of(job.head())},
                                      {"status", answer.head.status},
                                      {"code", answer.head.error_code}});
  }
  for (const auto& stream : told) {
    answer.head.from_journal = stream != told.front();
    tell(*stream, answer.head, answer.body);
  }
}

void Forwarder::count(const tunnel::ResultHead& head) {
  Counters& counters = board_.counters();
  switch (head.outcome) {
    case tunnel::ResultOutcome::not_sent:
      ++counters.not_sent;
      return;
    case tunnel::ResultOutcome::maybe_sent:
      ++counters.maybe_sent;
      return;
    case tunnel::ResultOutcome::delivered:
      ++counters.answered;
      return;
  }
}

}  // namespace postern::agent
