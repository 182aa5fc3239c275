#pragma once
#include <memory>
#include <optional>

#include "relay/store/postgres/connection.hpp"

namespace postern::relay::pg {

/// A connection that comes back: opened when it is first needed, and anew after it was lost. After a failed
/// try the next ones fail at once for a moment (0.1 s, doubling to 2 s), so that a queue behind it is
/// answered rather than kept waiting. One thread.
class Link {
 public:
  Link(Options options, const std::atomic<bool>& stop) : options_(std::move(options)), stop_(stop) {}

  /// Throws Failure (lost) while the server cannot be reached.
  Connection& get();
  /// Runs `work(Connection&)`. A connection that fails in it is given up, one with an open transaction rolled
  /// back.
  template <class Work>
  auto with(Work work) {
    Connection& connection = get();
    try {
      return work(connection);
    } catch (...) {
      connection.rollback();
      if (!connection.usable()) connection_.reset();
      throw;
    }
  }
  bool open() const { return connection_ != nullptr; }
  /// The server's process of the connection that is open, or was last.
  int backend() const { return backend_; }

 private:
  const Options options_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<Connection> connection_;
  std::optional<SteadyTime> not_before_;
  Duration pause_{};
  std::string last_error_;
  int backend_ = 0;
};

}  // namespace postern::relay::pg
