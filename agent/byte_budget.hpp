#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <list>
#include <map>
#include <string>

#include "base/clock.hpp"

namespace postern::agent {

/// Bounds what all request bodies hold in memory. Who finds no room waits, and does not read its stream
/// meanwhile, so the relay's sending stops by itself. Any one app gets at most half: however many of its
/// requests hang, others go on. Whoever fits goes first, so a large one does not hold up small ones behind
/// it; its own deadline bounds its wait. One loop.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t total) : total_(total) {}

  /// What is held, given back when it is let go. The budget outlives it.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), app_(std::move(other.app_)), bytes_(other.bytes_) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold();
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class ByteBudget;
    Hold(ByteBudget& budget, std::string app, std::size_t bytes)
        : budget_(&budget), app_(std::move(app)), bytes_(bytes) {}
    ByteBudget* budget_ = nullptr;
    std::string app_;
    std::size_t bytes_ = 0;
  };

  /// What is held already stays held.
  void resize(std::size_t total);

  /// Empty when `limit` passed, or the caller was cancelled, before there was room; at once when there never
  /// can be.
  boost::asio::awaitable<Hold> take(std::string app, std::size_t bytes, Duration limit);

  std::size_t used() const { return used_; }
  std::size_t waiting() const { return waiters_.size(); }

 private:
  struct Waiter {
    std::string app;
    std::size_t bytes;
    boost::asio::steady_timer timer;
    bool granted = false;
  };
  struct Place;  // in the list of waiters, for as long as it lives
  bool fits(const std::string& app, std::size_t bytes) const;
  void charge(const std::string& app, std::size_t bytes);
  void give_back(const std::string& app, std::size_t bytes);
  void let_in();

  std::size_t total_;
  std::size_t used_ = 0;
  std::map<std::string, std::size_t> by_app_;
  std::list<Waiter*> waiters_;
};

}  // namespace postern::agent
