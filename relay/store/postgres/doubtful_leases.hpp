#pragma once
#include <mutex>
#include <vector>

#include "relay/store/postgres/connection.hpp"

namespace postern::relay {

/// Deliveries whose leasing commit may or may not have taken effect, because the connection was lost while it
/// was under way: perhaps leased by this node, and in nobody's memory. Once the server's process of that
/// connection has ended, what is leased among them is made pending. Safe from any thread.
class DoubtfulLeases {
 public:
  /// `node`: the number they were leased under; under another one they are in somebody's memory.
  void add(int backend, int node, std::vector<std::int64_t> rows);
  bool any() const;
  /// Returns how many deliveries it made pending.
  std::size_t settle(pg::Connection& connection);

 private:
  struct Entry {
    int backend;
    int node;
    std::vector<std::int64_t> rows;
  };
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace postern::relay
