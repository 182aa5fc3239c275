#pragma once
#include <list>
#include <map>
#include <memory>

#include "base/http/client.hpp"
#include "base/http/stream.hpp"
#include "base/http/watchdog.hpp"

namespace postern::http {

/// Connections that wait for their next request. Belongs to one loop.
class Pool final : private Watched {
 public:
  Pool(std::shared_ptr<Watchdog> watchdog, std::size_t per_key, Duration idle_time);

  /// Where a connection leads, and who may use it again.
  struct Key {
    Origin origin;
    std::string owner;
  };

  /// The one used last that is still open and quiet; null when there is none.
  std::unique_ptr<Stream> take(const Key& key);
  /// Closed instead when the key, or the pool as a whole, holds enough.
  void keep(const Key& key, std::unique_ptr<Stream> stream);

 private:
  struct Idle {
    std::unique_ptr<Stream> stream;
    SteadyTime since;
  };
  struct Less {
    bool operator()(const Key& a, const Key& b) const {
      return std::tie(a.origin.host, a.origin.port, a.origin.tls, a.owner) <
             std::tie(b.origin.host, b.origin.port, b.origin.tls, b.owner);
    }
  };

  void expired(SteadyTime now) override;

  std::shared_ptr<Watchdog> watchdog_;
  std::size_t per_key_;
  Duration idle_time_;
  std::map<Key, std::vector<Idle>, Less> idle_;  // each vector oldest first
  std::size_t count_ = 0;
};

}  // namespace postern::http
