#pragma once
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// Appends to the event log, and waits for the answer only so long. All deadlines of a loop are the same
/// length, so they end in the order they began: a queue and one timer serve every request, where a timer each
/// would cost more than the rest of the wait.
///
/// One per loop, used on that loop alone. Destroy it before the loop and after the loop has stopped: requests
/// still waiting then are abandoned with their frames, and an answer the store gives later falls into the
/// void.
class AppendGate {
 public:
  using Answer = std::optional<Result<Appended>>;  ///< nullopt: no answer in time

  /// `late` runs on the loop when an append succeeds after its time was up; the event is committed then, and
  /// the sender, having been told to come back, will find a duplicate.
  AppendGate(EventLog& log, Duration limit, std::function<void()> late);
  ~AppendGate();
  AppendGate(const AppendGate&) = delete;
  AppendGate& operator=(const AppendGate&) = delete;

  /// `hold` is kept until the store has answered, however late.
  boost::asio::awaitable<Answer> append(NewEvent event, boost::asio::any_io_executor loop,
                                        std::shared_ptr<void> hold = nullptr);

 private:
  using Handler = boost::asio::any_completion_handler<void(Answer)>;
  struct Wait {
    std::chrono::steady_clock::time_point until;
    Handler handler;  ///< empty once answered
  };
  struct Line;

  EventLog& log_;
  Duration limit_;
  std::shared_ptr<Line> line_;
};

}  // namespace postern::relay
