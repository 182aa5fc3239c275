#include "relay/bus/nats_client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "relay/bus/nats_core.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;
using Kind = NatsAnswer::Kind;

/// Where the answer is put, from any thread; the timer belongs to the loop of who waits.
class Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  Waiter(const asio::any_io_executor& executor, Duration limit) : timer(executor, limit) {}

  void give(NatsAnswer answer) {
    {
      const std::lock_guard lock(mutex_);
      answer_ = std::move(answer);
    }
    asio::post(timer.get_executor(), [self = shared_from_this()] { self->timer.cancel(); });
  }
  std::optional<NatsAnswer> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(answer_, std::nullopt);
  }

  asio::steady_timer timer;

 private:
  std::mutex mutex_;
  std::optional<NatsAnswer> answer_;
};

/// The time ran out. Whoever takes the request out of the core first decides: an answer that was quicker
/// counts.
NatsAnswer out_of_time(NatsCore& core, NatsOutstanding::Token token, Waiter& waiter, Duration limit) {
  const auto stage = core.abandon(token);
  if (auto answer = waiter.take()) return std::move(*answer);
  if (stage == NatsOutstanding::Stage::queued)
    return {Kind::not_sent, "nats_queued", "NATS took nothing for as long as the attempt may last.", {}};
  return {Kind::maybe_sent,
          "nats_timeout",
          fmt::format(
              "NATS acknowledged nothing within {}. If this stays so: is JetStream on, and may the relay's "
              "user publish to this subject?",
              format_duration(limit)),
          {}};
}

}  // namespace

NatsClient::NatsClient(NatsOptions options, prometheus::Registry& metrics)
    : core_(std::make_shared<NatsCore>(std::move(options), metrics)) {
  core_->start();
}

NatsClient::~NatsClient() {
  core_->stop();
}

void NatsClient::close() {
  core_->close();
}

bool NatsClient::connected() const {
  return core_->connected();
}

std::size_t NatsClient::max_payload() const {
  return core_->max_payload();
}

asio::awaitable<NatsAnswer> NatsClient::request(NatsMessage message, Duration limit) {
  const auto core = core_;
  const auto executor = co_await asio::this_coro::executor;
  const auto waiter = std::make_shared<Waiter>(executor, limit);
  const auto sent = core->send(message, [waiter](NatsAnswer answer) { waiter->give(std::move(answer)); });
  if (const auto* refused = std::get_if<NatsAnswer>(&sent)) {
    core->count(*refused);
    co_return *refused;
  }
  co_await waiter->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  auto answer = waiter->take();
  if (!answer) answer = out_of_time(*core, std::get<NatsOutstanding::Token>(sent), *waiter, limit);
  core->count(*answer);
  co_return std::move(*answer);
}

bool NatsClient::publish(std::string_view subject, std::string_view bytes) {
  return core_->post({std::string(subject), {}, std::string(bytes)});
}

void NatsClient::subscribe(std::string subject, Heard heard) {
  core_->subscribe(std::move(subject), std::move(heard));
}

}  // namespace postern::relay
