#include "relay/ingest/append_gate.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::relay {

namespace asio = boost::asio;

/// The requests that wait, oldest first. Shared with the answers that are on their way.
struct AppendGate::Line : std::enable_shared_from_this<Line> {
  explicit Line(std::function<void()> on_late) : late(std::move(on_late)) {}

  void join(std::shared_ptr<Wait> wait, const asio::any_io_executor& loop);
  void answered(Wait& wait, Result<Appended> result);
  void arm();
  void expire();
  void abandon();

  std::function<void()> late;
  std::deque<std::shared_ptr<Wait>> waits;
  std::optional<asio::steady_timer> timer;
  bool armed = false;
};

void AppendGate::Line::join(std::shared_ptr<Wait> wait, const asio::any_io_executor& loop) {
  while (!waits.empty() && !waits.front()->handler) waits.pop_front();
  waits.push_back(std::move(wait));
  if (!timer) timer.emplace(loop);
  if (!armed) arm();
}

void AppendGate::Line::answered(Wait& wait, Result<Appended> result) {
  if (wait.handler) return std::exchange(wait.handler, nullptr)(Answer(std::move(result)));
  if (result && late) late();
}

/// The timer is left to run when its request is answered: it finds the next one, or nothing, and costs no
/// cancelling.
void AppendGate::Line::arm() {
  armed = true;
  timer->expires_at(waits.front()->until);
  timer->async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto line = weak.lock();
    if (line && !error) line->expire();
  });
}

void AppendGate::Line::expire() {
  armed = false;
  const auto now = std::chrono::steady_clock::now();
  while (!waits.empty() && (!waits.front()->handler || waits.front()->until <= now)) {
    const auto wait = std::move(waits.front());
    waits.pop_front();
    // What runs here may append again, so the line is whole at this point.
    if (wait->handler) std::exchange(wait->handler, nullptr)(std::nullopt);
  }
  if (!waits.empty() && !armed) arm();
}

void AppendGate::Line::abandon() {
  late = nullptr;
  timer.reset();
  const auto left = std::exchange(waits, {});
  for (const auto& wait : left) std::exchange(wait->handler, nullptr);
}

AppendGate::AppendGate(EventLog& log, Duration limit, std::function<void()> late)
    : log_(log), limit_(limit), line_(std::make_shared<Line>(std::move(late))) {}

AppendGate::~AppendGate() {
  line_->abandon();
}

asio::awaitable<AppendGate::Answer> AppendGate::append(NewEvent event, asio::any_io_executor loop,
                                                       std::shared_ptr<void> hold) {
  const auto until = std::chrono::steady_clock::now() + limit_;
  auto begin = [this, until, hold = std::move(hold)](auto handler, NewEvent given, asio::any_io_executor on) {
    auto wait = std::make_shared<Wait>(Wait{until, std::move(handler)});
    line_->join(wait, on);
    log_.append(std::move(given), on, [line = line_, wait, hold](Result<Appended> result) {
      line->answered(*wait, std::move(result));
    });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Answer)>(
      std::move(begin), asio::use_awaitable, std::move(event), std::move(loop));
}

}  // namespace postern::relay
