#include <netdb.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "base/http/client.hpp"

namespace postern::http {

namespace asio = boost::asio;
using asio::awaitable;
using Addresses = std::vector<asio::ip::address>;

namespace {

constexpr std::size_t kMostLookups = 64;

/// Shuts before its loop goes, and before any of the loop's own parts does: no thread may post to a loop that
/// is being destroyed.
struct Door {
  std::mutex mutex;
  bool open = true;
};
class DoorOfLoop final : public asio::execution_context::service {
 public:
  using key_type = DoorOfLoop;
  static inline asio::execution_context::id id;

  explicit DoorOfLoop(asio::execution_context& loop) : service(loop) {}
  const std::shared_ptr<Door> door = std::make_shared<Door>();

 private:
  void shutdown() override {
    const std::lock_guard lock(door->mutex);
    door->open = false;
  }
};

/// What a look-up's thread and the coroutine that waits for it share. getaddrinfo cannot be cancelled: a
/// coroutine that stops waiting leaves the thread to end by itself.
struct Lookup {
  explicit Lookup(asio::steady_timer& timer)
      : loop(timer.get_executor()),
        door(asio::use_service<DoorOfLoop>(loop.context()).door),
        waiter(&timer) {}

  const asio::any_io_executor loop;
  const std::shared_ptr<Door> door;
  asio::steady_timer* waiter;               // null once nobody waits; on the loop only
  std::optional<Result<Addresses>> result;  // on the loop only
};

Addresses to_addresses(const addrinfo* first) {
  Addresses addresses;
  for (const addrinfo* at = first; at; at = at->ai_next) {
    asio::ip::tcp::endpoint endpoint;
    if (at->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), at->ai_addr, at->ai_addrlen);
    endpoint.resize(at->ai_addrlen);
    addresses.push_back(endpoint.address());
  }
  return addresses;
}

Result<Addresses> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    const bool local = error == EAI_MEMORY || (error == EAI_SYSTEM && (errno == EMFILE || errno == ENFILE));
    return fail(local ? "local_resources" : "dns_failed",
                fmt::format("cannot resolve {}: {}", host, ::gai_strerror(error)));
  }
  Addresses addresses = to_addresses(found);
  ::freeaddrinfo(found);
  return addresses;
}

void finish(const std::shared_ptr<Lookup>& lookup, Result<Addresses> result) {
  const std::lock_guard lock(lookup->door->mutex);
  if (!lookup->door->open) return;
  asio::post(lookup->loop, [lookup, result = std::move(result)]() mutable {
    lookup->result = std::move(result);
    if (lookup->waiter) lookup->waiter->cancel();
  });
}

/// Ends the waiting when the coroutine does, also when its loop destroys it.
struct Waiting {
  explicit Waiting(asio::steady_timer& timer) : lookup(std::make_shared<Lookup>(timer)) {}
  ~Waiting() { lookup->waiter = nullptr; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  bool done() const { return lookup->result.has_value(); }
  const std::shared_ptr<Lookup> lookup;
};

/// The look-ups under way, by host. All who ask for the same host meanwhile share one thread and one answer:
/// a burst costs one look-up, and a host whose name server does not answer holds no more than one of them.
class Lookups : public std::enable_shared_from_this<Lookups> {
 public:
  /// False when there are too many, or no thread is to be had.
  bool join(std::shared_ptr<Lookup> lookup, const std::string& host) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(host);
    if (found != waiting_.end()) return found->second.push_back(std::move(lookup)), true;
    if (waiting_.size() >= kMostLookups) return false;
    try {
      std::thread([self = shared_from_this(), host] { self->answer(host, look_up(host)); }).detach();
    } catch (const std::system_error&) {
      return false;
    }
    waiting_[host].push_back(std::move(lookup));
    return true;
  }

 private:
  void answer(const std::string& host, const Result<Addresses>& result) {
    std::vector<std::shared_ptr<Lookup>> those;
    {
      const std::lock_guard lock(mutex_);
      those = std::move(waiting_.extract(host).mapped());
    }
    for (const auto& lookup : those) finish(lookup, result);
  }

  std::mutex mutex_;
  std::unordered_map<std::string, std::vector<std::shared_ptr<Lookup>>> waiting_;
};

/// A thread a host, so that a name server that does not answer holds up nobody else's name.
class SystemResolver final : public Resolver {
 public:
  awaitable<Result<Addresses>> resolve(std::string host) override {
    asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    const Waiting waiting(timer);
    if (!lookups_->join(waiting.lookup, host))
      co_return fail("local_resources", "too many look-ups are under way");
    while (!waiting.done()) {
      co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) break;
    }
    if (!waiting.done()) co_return fail("dns_failed", "the look-up was cancelled");
    co_return std::move(*waiting.lookup->result);
  }

 private:
  const std::shared_ptr<Lookups> lookups_ = std::make_shared<Lookups>();
};

}  // namespace

std::shared_ptr<Resolver> system_resolver() {
  return std::make_shared<SystemResolver>();
}

}  // namespace postern::http
