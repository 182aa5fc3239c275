#include "agent/handover_channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>

#include <cerrno>
#include <utility>

namespace postern::agent {

namespace asio = boost::asio;

HandoverChannel::HandoverChannel(const asio::any_io_executor& executor, int fd) : socket_(executor, fd) {}

void HandoverChannel::start(Told told) {
  told_ = std::move(told);
  read();
}

void HandoverChannel::read() {
  socket_.async_read_some(asio::buffer(buffer_),
                          [self = shared_from_this()](const auto& ec, std::size_t size) {
                            if (ec == asio::error::operation_aborted) return;
                            if (ec) return self->end({});
                            self->reader_.feed({self->buffer_.data(), size});
                            while (self->socket_.is_open()) {
                              auto frame = self->reader_.next();
                              if (!frame) return self->end(std::unexpected(frame.error()));
                              if (!*frame) break;
                              self->told_.frame(std::move(**frame));
                            }
                            if (self->socket_.is_open()) self->read();
                          });
}

void HandoverChannel::send(HandoverType type, std::string_view payload) {
  if (!socket_.is_open()) return;
  queue_ += encode_frame(type, payload);
  if (!waiting_) flush();
  if (queue_.size() > kQueueMost) end(fail("overflow", "The other process does not keep up."));
}

void HandoverChannel::flush() {
  if (!send_some()) wait_for_room();
}

/// False when there is no room now.
bool HandoverChannel::send_some() {
  while (!queue_.empty()) {
    const ssize_t sent =
        ::send(socket_.native_handle(), queue_.data(), queue_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (sent < 0) queue_.clear();  // whoever reads learns that the other end is gone
    if (sent < 0) return true;
    queue_.erase(0, static_cast<std::size_t>(sent));
  }
  return true;
}

void HandoverChannel::wait_for_room() {
  waiting_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_write, [self = shared_from_this()](const auto& ec) {
    self->waiting_ = false;
    if (!ec) self->flush();
  });
}

void HandoverChannel::end(Result<void> how) {
  if (!socket_.is_open()) return;
  const auto closed = std::move(told_.closed);
  close();
  if (closed) closed(std::move(how));
}

void HandoverChannel::finish(Duration limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (socket_.is_open() && !queue_.empty()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd room{socket_.native_handle(), POLLOUT, 0};
    if (left.count() <= 0 || ::poll(&room, 1, static_cast<int>(left.count())) <= 0) return;
    send_some();
  }
}

void HandoverChannel::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  queue_.clear();
}

}  // namespace postern::agent
