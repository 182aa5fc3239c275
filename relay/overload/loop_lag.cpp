#include "relay/overload/loop_lag.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "base/log.hpp"
#include "relay/overload/loop_turn.hpp"

namespace postern::relay {

namespace asio = boost::asio;

/// The end on the loop. It lives until the other end is closed and it has heard so.
struct LoopLag::Ear : std::enable_shared_from_this<LoopLag::Ear> {
  Ear(asio::io_context& loop, int descriptor) : pipe(loop, descriptor) {}

  void begin() {
    LoopTurn::follow(std::shared_ptr<const LoopTurn>(shared_from_this(), &turn));
    listen();
  }
  void listen() {
    pipe.async_read_some(asio::buffer(&byte, 1), [self = shared_from_this()](auto error, std::size_t) {
      if (error) return LoopTurn::follow(nullptr);
      self->turn.end(SystemClock().steady());
      self->listen();
    });
  }

  asio::posix::stream_descriptor pipe;
  char byte = 0;
  LoopTurn turn;
};

struct LoopLag::Probe {
  Probe(asio::io_context& loop, int read_end, int mouth)
      : ear(std::make_shared<Ear>(loop, read_end)), mouth(mouth) {
    asio::post(loop, [ear = ear] { ear->begin(); });
  }
  ~Probe() { ::close(mouth); }

  Duration look(SteadyTime now) {
    LoopTurn& turn = ear->turn;
    if (turn.is_under_way()) return turn.lasts(now);
    const Duration last = turn.last();
    turn.begin(now);
    if (::write(mouth, "?", 1) != 1) turn.forget();
    return last;
  }

  std::shared_ptr<Ear> ear;
  const int mouth;
};

LoopLag::LoopLag(std::span<asio::io_context* const> loops) {
  for (auto* loop : loops) {
    int ends[2];
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) {
      probes_.push_back(std::make_unique<Probe>(*loop, ends[0], ends[1]));
    } else {
      log::warn("load.no_pipe", {{"error", std::generic_category().message(errno)}});
    }
  }
}

LoopLag::~LoopLag() = default;

void LoopLag::close() {
  probes_.clear();
}

Duration LoopLag::look() {
  const SteadyTime now = SystemClock().steady();
  Duration longest{};
  for (const auto& probe : probes_) longest = std::max(longest, probe->look(now));
  return longest;
}

}  // namespace postern::relay
