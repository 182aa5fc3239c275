#include "tests/simulation/connection.hpp"

#include <fmt/format.h>

#include <array>

namespace postern::simulation {
namespace {

constexpr std::size_t kWriteAtOnce = 32 * 1024;

/// Two honest ends never have a reason for these.
bool is_breach(std::string_view code) {
  constexpr std::array<std::string_view, 4> kBreaches = {"protocol", "flow_control", "excessive_resets",
                                                         "excessive_noise"};
  return std::ranges::find(kBreaches, code) != kBreaches.end();
}

}  // namespace

Connection::Connection(Machine& machine, End end, const tunnel::SessionLimits& own,
                       const tunnel::SessionLimits& peer)
    : machine_(machine),
      end_(end),
      most_unread_(own.max_deliveries * own.stream_window + own.window_growth),
      session_({end == End::relay ? tunnel::Role::relay : tunnel::Role::agent, own, peer.stream_window,
                peer.session_window},
               machine.now()),
      fair_(end == End::relay ? tunnel::Role::relay : tunnel::Role::agent, peer.stream_window) {}

void Connection::open(std::shared_ptr<Link> link, OnEvent on_event) {
  link_ = std::move(link);
  on_event_ = std::move(on_event);
  turn();
}

void Connection::turn() {
  if (!link_ || std::exchange(turning_, true)) return;
  const auto self = shared_from_this();
  while (const auto event = session_.next_event()) {
    if (on_event_) on_event_(*event);
  }
  write();
  turning_ = false;
  check();
  if (session_.ended()) return drop();
  arm();
}

void Connection::write() {
  while (link_) {
    if (unsent_.empty()) {
      session_.produce(unsent_, kWriteAtOnce);
      fair_.sent(unsent_);
    }
    if (unsent_.empty()) return session_.write_progress();
    const std::size_t taken = link_->send(end_, unsent_);
    unsent_.erase(0, taken);
    if (!unsent_.empty()) return session_.write_blocked(machine_.now());
  }
}

void Connection::check() {
  if (session_.buffered() > most_unread_) throw Violation("more is held unread than the windows allow");
  if (session_.ended() && is_breach(session_.end()->code))
    throw Violation(fmt::format("{} ended the session: {}: {}",
                                end_ == End::relay ? "the relay" : "the agent", session_.end()->code,
                                session_.end()->message));
}

void Connection::arm() {
  const SteadyTime next = session_.next_deadline();
  if (next >= armed_ || next == SteadyTime::max()) return;
  armed_ = next;
  machine_.after(std::max(Duration(0), next - machine_.now()), [weak = weak_from_this(), next] {
    const auto self = weak.lock();
    if (!self || self->armed_ != next) return;
    self->armed_ = SteadyTime::max();
    self->session_.tick(self->machine_.now());
    self->turn();
  });
}

void Connection::drop() {
  on_event_ = nullptr;
  if (const auto link = std::exchange(link_, nullptr)) link->close(end_);
}

void Connection::received(std::string_view bytes) {
  machine_.run([self = shared_from_this(), copy = std::string(bytes)] { self->take(copy); });
}

void Connection::take(std::string_view bytes) {
  if (!link_) return;
  fair_.received(bytes);
  session_.receive(bytes, machine_.now());
  turn();
}

void Connection::writable() {
  machine_.run([self = shared_from_this()] {
    self->session_.write_progress();
    self->turn();
  });
}

void Connection::gone() {
  machine_.run([self = shared_from_this()] { self->lose(); });
}

void Connection::lose() {
  if (!link_) return;
  session_.lost({"connection_lost", "the connection was cut"});
  turn();
}

}  // namespace postern::simulation
