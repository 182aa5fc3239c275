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
  Pool(std::shared_ptr<Watchdog> watchdog, std::size_t per_origin, Duration idle_time);

  /// The one used last that is still open and quiet; null when there is none.
  std::unique_ptr<Stream> take(const Origin& origin);
  /// Closed instead when the origin, or the pool as a whole, holds enough.
  void keep(const Origin& origin, std::unique_ptr<Stream> stream);

 private:
  struct Idle {
    std::unique_ptr<Stream> stream;
    SteadyTime since;
  };
  struct Less {
    bool operator()(const Origin& a, const Origin& b) const {
      return std::tie(a.host, a.port, a.tls) < std::tie(b.host, b.port, b.tls);
    }
  };

  void expired(SteadyTime now) override;

  std::shared_ptr<Watchdog> watchdog_;
  std::size_t per_origin_;
  Duration idle_time_;
  std::map<Origin, std::vector<Idle>, Less> idle_;  // each vector oldest first
  std::size_t count_ = 0;
};

}  // namespace postern::http
