#include "relay/delivery/attempt_loop.hpp"

#include "relay/delivery/attempt_hook.hpp"

#include <boost/asio/post.hpp>

#include <optional>
#include <stdexcept>

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::relay {
namespace {

AttemptResult internal_error(const Ticket& ticket, std::string what) {
  log::error("delivery.driver_failed",
             {{"delivery", ticket.delivery_id}, {"destination", ticket.destination->id}, {"error", what}});
  AttemptResult result;
  result.attempt.outcome = Outcome::not_sent;
  result.attempt.counted = false;
  result.attempt.error_code = "internal_error";
  result.attempt.error_message = "The relay failed while making the attempt; it will try again.";
  return result;
}

}  // namespace

void AttemptLoop::start(std::vector<Launch> launches) {
  boost::asio::post(drivers_.executor, [self = shared_from_this(), launches = std::move(launches)]() mutable {
    for (Launch& launch : launches) {
      spawn(self->drivers_.executor, run(self, std::move(launch)), "attempt");
    }
  });
}

boost::asio::awaitable<void> AttemptLoop::run(std::shared_ptr<AttemptLoop> self, Launch launch) {
  Ticket ticket = std::move(launch.ticket);
  AttemptResult result;
  std::optional<std::string> fault;
  try {
    attempt_begins(launch.job.leased);
    DestinationDriver& driver = self->driver(ticket.destination->kind);
    auto attempt = driver.attempt(std::move(launch.job));
    result = co_await std::move(attempt);
  } catch (const std::exception& e) {
    fault = e.what();
  } catch (...) {
    fault = "unknown";
  }
  if (fault) result = internal_error(ticket, *std::move(fault));
  self->finish(std::move(ticket), std::move(result));
}

DestinationDriver& AttemptLoop::driver(DestinationKind kind) const {
  const auto found = drivers_.drivers.find(kind);
  if (found == drivers_.drivers.end() || found->second == nullptr) {
    throw std::logic_error(fmt::format("no driver for destinations of kind {}", to_text(kind)));
  }
  return *found->second;
}

void AttemptLoop::finish(Ticket ticket, AttemptResult result) {
  finished_.push_back({std::move(ticket), std::move(result)});
  if (finished_.size() > 1) return;  // a flush is already on its way
  boost::asio::post(drivers_.executor, [self = shared_from_this()] { self->flush(); });
}

void AttemptLoop::flush() {
  report_(std::exchange(finished_, {}));
}

}  // namespace postern::relay
