#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>

#include "base/error.hpp"
#include "relay/store/catalog.hpp"
#include "relay/store/database.hpp"
#include "relay/store/keyring.hpp"

namespace postern::control {

/// Brings the catalog in memory up to what is committed. One read at a time, so that an older snapshot never
/// replaces a newer one; callers that come while a read runs share the next. Belongs to one loop; only
/// `request` may be called from others.
class CatalogReloader {
 public:
  CatalogReloader(boost::asio::any_io_executor loop, relay::Database& database, relay::Keyring& keyring,
                  relay::CatalogHolder& catalog);

  /// Resumes once everything committed before the call is in the catalog. The store's error otherwise.
  boost::asio::awaitable<Result<void>> reload();
  /// The same without waiting; a failure is logged. Safe from any thread.
  void request();

 private:
  boost::asio::awaitable<Result<void>> read_once();
  boost::asio::awaitable<void> reload_logged();

  boost::asio::any_io_executor loop_;
  relay::Database& database_;
  relay::Keyring& keyring_;
  relay::CatalogHolder& catalog_;
  boost::asio::steady_timer changed_;  // never expires: cancelled to wake those who wait
  std::uint64_t wanted_ = 0;
  std::uint64_t published_ = 0;
  bool reading_ = false;
};

}  // namespace postern::control
