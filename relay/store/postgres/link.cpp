#include "relay/store/postgres/link.hpp"

#include <algorithm>

namespace postern::relay::pg {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(2);

}  // namespace

Connection& Link::get() {
  if (connection_ && connection_->usable()) return *connection_;
  connection_.reset();
  if (not_before_ && SystemClock().steady() < *not_before_) throw Failure("", last_error_);
  try {
    connection_ = std::make_unique<Connection>(options_, stop_);
    backend_ = connection_->backend();
    not_before_.reset();
    pause_ = Duration::zero();
    return *connection_;
  } catch (const Failure& failure) {
    pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
    not_before_ = SystemClock().steady() + pause_;
    last_error_ = failure.what();
    throw Failure("", last_error_);  // whatever the server says: there is no connection
  }
}

}  // namespace postern::relay::pg
