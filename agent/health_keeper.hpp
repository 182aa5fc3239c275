#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>

#include "agent/app_watch.hpp"
#include "tunnel-proto/messages.hpp"
#include "tunnel-proto/token_bucket.hpp"

namespace postern::agent {

/// Looks at apps that cannot be reached, and tells the relay which those are: at a change, at once as a rule,
/// so that it comes before the answer that it is about, but no more than kTellPerSecond, and again and again
/// while there are any, since a relay forgets what it is not told. One loop; `clock` outlives it.
class HealthKeeper : public std::enable_shared_from_this<HealthKeeper> {
 public:
  static constexpr unsigned kTellBurst = 20;
  static constexpr unsigned kTellPerSecond = 10;
  static constexpr Duration kTellAgain = std::chrono::seconds(10);
  using Tell = std::function<void(const std::vector<tunnel::AppHealth>&)>;

  HealthKeeper(boost::asio::any_io_executor executor, const Clock& clock, Tell tell)
      : executor_(executor),
        clock_(clock),
        tell_(std::move(tell)),
        timer_(executor),
        tells_(kTellBurst, kTellPerSecond, clock.steady()) {}

  void ended(const tunnel::DeliverHead& delivery, const tunnel::ResultHead& result);
  void rules_changed(const AllowList& allow);  ///< also of the first ones
  void session_opened();                       ///< the new one knows nothing yet
  void stop();
  /// What is told: those that cannot be reached first, then those that are bounded.
  std::vector<tunnel::AppHealth> apps() const;

 private:
  std::uint32_t most(std::string_view host, std::uint16_t port) const;
  void changed();
  void turn();
  void tell(SteadyTime now);
  void arm(SteadyTime now);
  boost::asio::awaitable<void> look(std::shared_ptr<HealthKeeper> self, HostPort app);

  boost::asio::any_io_executor executor_;
  const Clock& clock_;
  Tell tell_;
  boost::asio::steady_timer timer_;
  AppWatch watch_;
  AllowList allow_;
  SteadyTime told_at_{};
  tunnel::TokenBucket tells_;
  bool untold_ = false;
  bool stopped_ = false;
};

}  // namespace postern::agent
