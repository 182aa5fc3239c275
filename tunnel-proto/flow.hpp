#pragma once
#include <algorithm>
#include <cstdint>

/// Flow control in absolute offsets: what has been counted only grows, and nothing is ever added to a peer's
/// number.
namespace postern::tunnel {

/// How far this end may send.
class SendWindow {
 public:
  explicit SendWindow(std::uint64_t limit) : limit_(limit) {}

  std::uint64_t available() const { return limit_ - sent_; }
  void sent(std::uint64_t bytes) { sent_ += bytes; }  ///< at most available()
  /// False when it opens nothing.
  bool raise(std::uint64_t limit) {
    if (limit <= limit_) return false;
    limit_ = limit;
    return true;
  }

 private:
  std::uint64_t sent_ = 0;
  std::uint64_t limit_;  // never below sent_
};

/// How far the peer may send.
class ReceiveWindow {
 public:
  explicit ReceiveWindow(std::uint64_t window) : window_(window), limit_(window) {}

  /// False when the peer was not allowed to; then nothing is counted.
  bool take(std::uint64_t bytes) {
    if (bytes > limit_ - received_) return false;
    received_ += bytes;
    return true;
  }
  void consume(std::uint64_t bytes) { consumed_ += bytes; }  ///< at most what has been taken

  /// So much has been consumed since the last raise.
  std::uint64_t used() const { return consumed_ + window_ - std::min(limit_, consumed_ + window_); }
  /// raise() is due: an eighth of it is used, and enough to be worth a frame. Earlier would be chatter; later
  /// a sender who is a round trip away would stand still while half of the window is on the way.
  bool due() const {
    return used() > 0 && used() >= std::max(window_ / 8, std::min(window_ / 4, kWorthAFrame));
  }
  void raise() { limit_ = std::max(limit_, consumed_ + window_); }
  /// For what is raised from now on: a promise stays.
  void resize(std::uint64_t window) { window_ = window; }

  std::uint64_t window() const { return window_; }
  std::uint64_t limit() const { return limit_; }
  std::uint64_t unread() const { return received_ - consumed_; }

 private:
  static constexpr std::uint64_t kWorthAFrame = 16 * 1024;

  std::uint64_t window_;
  std::uint64_t limit_;  // never below received_, which is never below consumed_
  std::uint64_t received_ = 0;
  std::uint64_t consumed_ = 0;
};

}  // namespace postern::tunnel
