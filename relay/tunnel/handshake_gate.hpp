#pragma once
#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace postern::relay {

/// How many handshakes run at once, in all and for one source (limits/source_prefix.hpp), so that nobody's
/// slow or silent connections keep agents out or the processor busy. No source gets more than what is still
/// free, so a few that take all they can get leave room for everybody else. Safe from any thread.
class HandshakeGate {
 public:
  HandshakeGate(std::size_t total, std::size_t per_source) : total_(total), per_source_(per_source) {}

  /// A place at the handshake; given back when it is let go.
  class Place {
   public:
    Place() = default;
    Place(HandshakeGate& gate, std::string source) : gate_(&gate), source_(std::move(source)) {}
    Place(Place&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)), source_(std::move(other.source_)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(gate_, other.gate_);
      std::swap(source_, other.source_);
      return *this;
    }
    ~Place() { release(); }
    void release();
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    HandshakeGate* gate_ = nullptr;
    std::string source_;
  };

  /// Empty when this source has its share already.
  Place enter(const boost::asio::ip::address& source);
  bool full() const;
  /// `wake` is called, on any thread, when a place comes free after full() was seen; once.
  void when_free(std::function<void()> wake);

 private:
  void leave(const std::string& source);

  const std::size_t total_;
  const std::size_t per_source_;
  mutable std::mutex mutex_;
  std::size_t inside_ = 0;
  std::unordered_map<std::string, std::size_t> sources_;
  std::function<void()> wake_;
};

}  // namespace postern::relay
