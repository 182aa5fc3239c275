#include "tests/support/fault_proxy/link.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/spawn.hpp"

namespace postern::test {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kUnderWay = 64 * 1024 * 1024;  // one way: fast lines with a long way hold much
constexpr std::uint64_t kStepsASecond = 50;

void slam(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace

Link::Link(Socket client, const Weather& weather, std::mt19937_64& engine)
    : weather_(weather),
      engine_(engine),
      client_(std::move(client)),
      server_(client_.get_executor()),
      up_{Way::up,
          client_,
          server_,
          {},
          0,
          asio::steady_timer(client_.get_executor()),
          asio::steady_timer(client_.get_executor())},
      down_{Way::down,
            server_,
            client_,
            {},
            0,
            asio::steady_timer(client_.get_executor()),
            asio::steady_timer(client_.get_executor())} {}

void Link::start(const tcp::endpoint& target) {
  spawn(client_.get_executor(), run(shared_from_this(), target), "fault_proxy.link");
}

asio::awaitable<void> Link::run(std::shared_ptr<Link> self, tcp::endpoint target) {
  // A SYN does not pass a hole either; who waits behind a mute one waits until the weather is another.
  while (!over_ && (weather_.mute || weather_.hole_up || weather_.hole_down)) {
    up_.news.expires_at(Steady::time_point::max());
    co_await up_.news.async_wait(kToken);
  }
  if (over_) co_return;
  const auto [error] = co_await server_.async_connect(target, kToken);
  if (over_) co_return;
  if (error) co_return reset();
  boost::system::error_code ignored;
  client_.set_option(tcp::no_delay(true), ignored);
  server_.set_option(tcp::no_delay(true), ignored);
  for (Lane* lane : {&up_, &down_}) {
    spawn(client_.get_executor(), fill(self, *lane), "fault_proxy.fill");
    spawn(client_.get_executor(), drain(self, *lane), "fault_proxy.drain");
  }
}

void Link::put(Lane& lane, Piece piece) {
  const auto before = lane.queue.empty() ? Steady::time_point::min() : lane.queue.back().due;
  piece.due = weather_.due(Steady::now(), before, engine_);
  lane.queued += piece.bytes.size();
  lane.queue.push_back(std::move(piece));
  lane.news.cancel();
}

asio::awaitable<void> Link::fill(std::shared_ptr<Link> self, Lane& lane) {
  std::string buffer(kPiece, '\0');
  while (!over_) {
    while (lane.queued > kUnderWay && !over_) {
      lane.room.expires_at(Steady::time_point::max());
      co_await lane.room.async_wait(kToken);
    }
    const auto [error, got] = co_await lane.from.async_read_some(asio::buffer(buffer), kToken);
    if (over_) break;
    if (!error) {
      put(lane, {Piece::What::bytes, buffer.substr(0, got), {}});
      continue;
    }
    put(lane, {error == asio::error::eof ? Piece::What::end : Piece::What::broken, {}, {}});
    break;
  }
}

asio::awaitable<void> Link::wait_for_turn(Lane& lane) {
  while (!over_) {
    auto until = Steady::time_point::max();
    if (!lane.queue.empty() && !weather_.hole(lane.way)) until = lane.queue.front().due;
    if (until <= Steady::now()) break;
    lane.news.expires_at(until);
    co_await lane.news.async_wait(kToken);
  }
}

asio::awaitable<void> Link::drain(std::shared_ptr<Link> self, Lane& lane) {
  while (true) {
    co_await wait_for_turn(lane);
    if (over_) co_return;
    const Piece piece = std::move(lane.queue.front());
    lane.queue.pop_front();
    lane.queued -= piece.bytes.size();
    lane.room.cancel();
    if (piece.what == Piece::What::end) co_return end(lane);
    if (piece.what == Piece::What::broken) co_return reset();
    const bool written = co_await write(lane, piece.bytes);
    if (!written) co_return reset();
  }
}

asio::awaitable<bool> Link::write(Lane& lane, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto rest = asio::buffer(bytes.data() + done, step(bytes.size() - done));
    const auto [error, put] = co_await asio::async_write(lane.to, rest, kToken);
    if (error || over_) co_return false;
    done += put;
    if (weather_.bandwidth == 0) continue;
    lane.room.expires_after(weather_.busy(put));
    co_await lane.room.async_wait(kToken);
  }
  co_return true;
}

/// The next write's bytes: one where they drip, and few where they are slow, so that the pace is even.
std::size_t Link::step(std::size_t left) const {
  if (weather_.drip) return 1;
  if (weather_.bandwidth == 0) return left;
  return std::min<std::size_t>(left, std::max<std::uint64_t>(1, weather_.bandwidth / kStepsASecond));
}

void Link::end(Lane& lane) {
  boost::system::error_code ignored;
  lane.to.shutdown(tcp::socket::shutdown_send, ignored);
  if (++ended_ == 2) reset();  // both have said all: nothing is left that a RST could break
}

void Link::weather_changed() {
  up_.news.cancel();
  down_.news.cancel();
}

void Link::reset() {
  over_ = true;
  slam(client_);
  slam(server_);
  for (Lane* lane : {&up_, &down_}) {
    lane->news.cancel();
    lane->room.cancel();
  }
}

}  // namespace postern::test
