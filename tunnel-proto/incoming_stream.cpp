#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

#include "tunnel-proto/agent_end.hpp"

namespace postern::tunnel {

namespace asio = boost::asio;

IncomingStream::IncomingStream(std::weak_ptr<AgentEnd> connection, asio::any_io_executor executor,
                               StreamId stream, DeliverHead head)
    : connection_(std::move(connection)),
      executor_(std::move(executor)),
      stream_(stream),
      head_(std::move(head)) {}

IncomingStream::~IncomingStream() {
  reset(ResetCode::internal_error);
}

asio::awaitable<Result<std::string>> IncomingStream::read() {
  const auto self = shared_from_this();
  while (true) {
    auto piece = try_read();
    if (piece) co_return std::move(*piece);
    waiting_.emplace(executor_, asio::steady_timer::time_point::max());
    auto wait = waiting_->async_wait(asio::as_tuple(asio::use_awaitable));
    co_await std::move(wait);
    waiting_.reset();
  }
}

/// nullopt when there is nothing yet.
std::optional<Result<std::string>> IncomingStream::try_read() {
  if (state_ == State::broken) return std::unexpected(error_);
  if (state_ == State::answered) return fail("cancelled", "the delivery has been answered or given up");
  if (read_to_end_) return std::string();
  const auto connection = connection_.lock();
  auto piece = connection ? connection->read(stream_) : std::nullopt;
  if (!piece) return fail("cancelled", "the delivery has been answered or given up");
  if (piece->bytes.empty() && !piece->end) return std::nullopt;
  return check_size(std::move(*piece));
}

/// The app must never get a body that is not the one the head announced.
Result<std::string> IncomingStream::check_size(Session::Piece piece) {
  read_ += piece.bytes.size();
  read_to_end_ = piece.end;
  if (read_ > head_.body_size || (piece.end && read_ != head_.body_size)) {
    reset(ResetCode::bad_head);
    state_ = State::broken;
    error_ = {"cancelled", "the relay sent a body of another size than announced"};
    return std::unexpected(error_);
  }
  return std::move(piece.bytes);
}

Result<void> IncomingStream::respond(const ResultHead& head, std::string body) {
  if (state_ == State::broken) return std::unexpected(error_);
  if (state_ == State::answered) return fail("cancelled", "the delivery has been answered or given up");
  auto bytes = encode(head);
  if (!bytes) return std::unexpected(bytes.error());
  state_ = State::answered;
  on_cancel_ = nullptr;
  readable();
  if (const auto connection = connection_.lock())
    connection->answer(stream_, std::move(*bytes), std::move(body));
  return {};
}

void IncomingStream::reset(ResetCode code) {
  if (state_ != State::open) return;
  state_ = State::answered;
  on_cancel_ = nullptr;
  readable();
  if (const auto connection = connection_.lock()) connection->reset(stream_, code);
}

void IncomingStream::on_cancel(std::function<void()> handler) {
  if (state_ == State::broken) {
    asio::post(executor_, std::move(handler));
  } else if (state_ == State::open) {
    on_cancel_ = std::move(handler);
  }
}

void IncomingStream::readable() {
  if (waiting_) waiting_->cancel();
}

void IncomingStream::broken(Error error) {
  if (state_ == State::broken) return;
  const bool was_open = state_ == State::open;
  state_ = State::broken;
  error_ = std::move(error);
  readable();
  const auto handler = std::exchange(on_cancel_, nullptr);
  if (was_open && handler) handler();
}

}  // namespace postern::tunnel
