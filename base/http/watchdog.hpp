#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>

#include "base/clock.hpp"

namespace postern::http {

SteadyTime steady_now();

class Watchdog;

/// Something with a deadline on one loop. Moving the deadline costs a store, and seldom more.
class Watched {
 public:
  Watched() = default;
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 protected:
  ~Watched();

 private:
  friend class Watchdog;
  /// The deadline has passed and is now `never`. Only starts things (closing a socket, cancelling a timer):
  /// it neither destroys nor adds anything watched.
  virtual void expired(SteadyTime now) = 0;

  std::shared_ptr<Watchdog> dog_;
  Watched* previous_ = nullptr;
  Watched* next_ = nullptr;
  SteadyTime deadline_ = SteadyTime::max();
};

/// One timer for all deadlines of a loop. It is set for the earliest deadline it has heard of and, when it
/// fires, looks at everything watched; deadlines that keep moving back, as those of busy connections do,
/// never touch it. Fires a few milliseconds late when much is watched. Belongs to one thread.
class Watchdog : public std::enable_shared_from_this<Watchdog> {
 public:
  static constexpr SteadyTime never = SteadyTime::max();

  explicit Watchdog(boost::asio::any_io_executor executor)
      : timer_(std::make_unique<Timer>(std::move(executor))) {}

  void add(Watched& watched);
  void set(Watched& watched, SteadyTime deadline);
  /// Lets go of the loop for good: nothing expires any more.
  void release() { timer_.reset(); }

 private:
  friend class Watched;
  using Timer = boost::asio::steady_timer;

  void remove(Watched& watched);
  void arm(SteadyTime at);
  void sweep();

  std::unique_ptr<Timer> timer_;
  Watched* first_ = nullptr;
  std::size_t count_ = 0;
  SteadyTime armed_ = never;
};

}  // namespace postern::http
