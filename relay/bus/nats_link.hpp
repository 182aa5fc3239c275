#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "relay/bus/nats_message.hpp"

namespace postern::relay {

/// What a link reports, on threads of the NATS library. `link` is NatsLink::id().
class NatsLinkEvents {
 public:
  virtual ~NatsLinkEvents() = default;
  /// `tag` is what the subscription was made with.
  virtual void on_message(std::uint64_t link, std::uint64_t tag, std::string_view subject,
                          NatsAnswer answer) = 0;
  virtual void on_lost(std::uint64_t link, std::string why) = 0;
};

/// One connection to one server, from its login to its loss. It never reconnects by itself: who holds it
/// makes another, so that nothing is ever buffered for a server that is not there. The only file that knows
/// the library.
///
/// For one thread, which may block in here: in open() for at most connect_time a server, in publish() for
/// write_time.
class NatsLink {
 public:
  /// `nats_unreachable` with the library's reason. Events come until the link is destroyed, or `events` is
  /// gone; one that has begun may still be running then.
  static Result<std::unique_ptr<NatsLink>> open(const NatsOptions& options,
                                                std::weak_ptr<NatsLinkEvents> events);
  ~NatsLink();
  NatsLink(const NatsLink&) = delete;

  std::uint64_t id() const { return id_; }
  /// Replies are asked to "<inbox>.<token>"; they come with tag 0.
  const std::string& inbox() const { return inbox_; }
  std::string server() const;
  std::size_t max_payload() const;
  bool closed() const;

  /// Nothing was sent: `nats_not_connected`, `nats_too_large`, `nats_refused` (this message can never be
  /// sent), `nats_unusable` (a server that takes no headers, no memory). Something may have been:
  /// `nats_write_failed`.
  Result<void> publish(const NatsMessage& message, const std::string& reply);
  Result<void> subscribe(const std::string& subject, std::uint64_t tag);

  /// What the library keeps for a thread that has called it; once, at the thread's end.
  static void release_thread();

 private:
  explicit NatsLink(std::weak_ptr<NatsLinkEvents> events);

  const std::weak_ptr<NatsLinkEvents> events_;
  const std::uint64_t id_;
  std::string inbox_;
  std::vector<std::uint64_t> closures_;
  struct Handles;  ///< the library's
  std::unique_ptr<Handles> handles_;
};

}  // namespace postern::relay
