#include "agent/successor.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/program.hpp"
#include "base/log.hpp"

namespace postern::agent {
namespace {

constexpr int kGreetingMs = 5000;

Result<void> read_some(int socket, HandoverReader& reader) {
  pollfd waiting{socket, POLLIN, 0};
  const int ready = ::poll(&waiting, 1, kGreetingMs);
  // One byte at a time: what follows the greeting is for somebody else to read.
  char byte = 0;
  if (ready == 1 && ::recv(socket, &byte, 1, 0) == 1) {
    reader.feed({&byte, 1});
    return {};
  }
  return fail("io_failed", "The process before this one said nothing.");
}

}  // namespace

Result<std::optional<Inheritance>> Inheritance::receive() {
  const auto found = inherited_descriptors();
  if (!found) return std::nullopt;
  auto received = receive(found->socket, FileLock::inherited(found->lock));
  if (!received) return std::unexpected(received.error());
  return std::optional<Inheritance>(std::move(*received));
}

Result<Inheritance> Inheritance::receive(int socket, FileLock lock) {
  Inheritance inheritance(socket, std::move(lock));
  HandoverReader reader;
  while (true) {
    const auto frame = reader.next();
    if (!frame) return std::unexpected(frame.error());
    if (*frame && (*frame)->type == HandoverType::greeting) {
      auto greeting = decode_greeting((*frame)->payload);
      if (!greeting) {
        inheritance.complain(greeting.error());
        return std::unexpected(greeting.error());
      }
      inheritance.greeting_ = *greeting;
      return inheritance;
    }
    if (auto read = read_some(socket, reader); !read) return std::unexpected(read.error());
  }
}

void Inheritance::complain(const Error& error) const {
  const std::string frame = encode_frame(HandoverType::trouble, error.message);
  if (socket_ >= 0) [[maybe_unused]]
    const auto sent = ::send(socket_, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

Inheritance::~Inheritance() {
  if (socket_ >= 0) ::close(socket_);
}

Successor::Successor(Parts parts, int socket)
    : parts_(std::move(parts)),
      channel_(std::make_shared<HandoverChannel>(parts_.executor, socket)),
      timer_(parts_.executor) {}

void Successor::start() {
  const auto weak = weak_from_this();
  parts_.forwarder->hold([weak](const tunnel::DeliverHead& head) {
    if (const auto self = weak.lock()) self->came(head);
  });
  channel_->start({[weak](const HandoverFrame& frame) {
                     if (const auto self = weak.lock()) self->told(frame);
                   },
                   [weak](const Result<void>& how) {
                     if (const auto self = weak.lock()) self->channel_closed(how);
                   }});
}

void Successor::session_opened(std::uint64_t generation) {
  opened_ = true;
  if (!taken_) channel_->send(HandoverType::logged_in, encode_generation(generation));
  tell_if_serving();
  if (said_ready_ || taken_) return;
  timer_.expires_after(kOtherSessions);
  timer_.async_wait([weak = weak_from_this()](const auto& ec) {
    const auto self = weak.lock();
    if (!ec && self) self->say_ready();
  });
}

void Successor::failed(const Error& error) {
  if (!taken_) channel_->send(HandoverType::trouble, error.message);
}

/// A relay that sends deliveries before a probe was answered will send none, and delivers to this session
/// already.
void Successor::came(const tunnel::DeliverHead& head) {
  if (!head.probe || ++probes_ >= parts_.sessions) say_ready();
}

void Successor::say_ready() {
  if (is_unwilling()) return;
  if (!std::exchange(said_ready_, true)) channel_->send(HandoverType::ready);
}

/// One that was told to stop before it has taken over takes nothing: nobody would serve.
bool Successor::is_unwilling() {
  if (taken_ || !parts_.keeper->is_ending()) return false;
  give_up({"stopping", "The new process was told to stop."});
  return true;
}

void Successor::told(const HandoverFrame& frame) {
  // Also when it has taken over: its word for that came too late, and there must not be two.
  if (frame.type == HandoverType::withdrawn)
    return give_up({"withdrawn", "The process before this one goes on, or both are to stop."});
  if (frame.type == HandoverType::handed) {
    const auto ids = decode_ids(frame.payload);
    if (!ids) return give_up(ids.error());
    if (!is_unwilling()) take(*ids);
    return;
  }
  if (frame.type == HandoverType::outcome) {
    if (const auto outcome = decode_outcome(frame.payload))
      parts_.forwarder->ended_elsewhere(outcome->first, outcome->second);
  }
  if (frame.type == HandoverType::left) {
    if (const auto ids = decode_ids(frame.payload); ids && ids->size() == 1)
      parts_.forwarder->ended_elsewhere(ids->front(), std::nullopt);
  }
  if (frame.type == HandoverType::acked) {
    if (const auto acks = decode_acks(frame.payload)) parts_.forwarder->acknowledged(*acks);
  }
}

void Successor::take(std::span<const DeliveryId> under_way) {
  if (std::exchange(taken_, true)) return;
  if (auto taken = parts_.results.take_over(parts_.journal); !taken) return give_up(taken.error());
  if (auto own = parts_.lock.sign(parts_.state_dir.lock_file()); !own)
    log::warn("agent.lock", {{"error", own.error().message}});
  parts_.forwarder->inherit(under_way);
  parts_.board.leave_file(false);
  parts_.keeper->become_owner(parts_.state_dir.identity().value_or(Identity{}));
  log::info("agent.took_over", {{"under_way_before", under_way.size()}});
  channel_->send(HandoverType::taken);
  parts_.forwarder->release();
  tell_if_serving();
  // A process that stands still would keep whoever waits for its word for ever.
  timer_.expires_after(Keeper::kLastCall + std::chrono::minutes(1));
  timer_.async_wait([weak = weak_from_this()](const auto& ec) {
    const auto self = weak.lock();
    if (!ec && self) self->predecessor_gone();
  });
}

void Successor::tell_if_serving() {
  if (taken_ && opened_ && !std::exchange(told_, true)) parts_.serves();
}

/// The predecessor goes on, if there still is one.
void Successor::give_up(const Error& error) {
  log::error("agent.not_taken_over", {{"error", error.message}});
  channel_->send(HandoverType::trouble, error.message);
  channel_->close();
  timer_.cancel();
  parts_.keeper->stop();
}

/// One that says what cannot be understood lives.
void Successor::channel_closed(const Result<void>& how) {
  if (!how && !taken_) return give_up(how.error());
  if (!how) log::error("agent.predecessor", {{"error", how.error().message}});
  predecessor_gone();
}

void Successor::predecessor_gone() {
  channel_->close();
  timer_.cancel();
  if (!taken_) {
    log::warn("agent.predecessor_died");
    take({});
    timer_.cancel();
  }
  parts_.forwarder->elsewhere_is_gone();
}

}  // namespace postern::agent
