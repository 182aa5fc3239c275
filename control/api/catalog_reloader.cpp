#include "control/api/catalog_reloader.hpp"

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::control {

namespace asio = boost::asio;

CatalogReloader::CatalogReloader(asio::any_io_executor loop, relay::Database& database,
                                 relay::Keyring& keyring, relay::CatalogHolder& catalog)
    : loop_(std::move(loop)),
      database_(database),
      keyring_(keyring),
      catalog_(catalog),
      changed_(loop_, asio::steady_timer::time_point::max()) {}

asio::awaitable<Result<void>> CatalogReloader::reload() {
  const std::uint64_t mine = ++wanted_;
  while (published_ < mine) {
    if (reading_) {
      co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    auto read = co_await read_once();
    if (!read) co_return std::unexpected(read.error());
  }
  co_return Result<void>();
}

asio::awaitable<Result<void>> CatalogReloader::read_once() {
  using Snapshot = std::shared_ptr<const relay::Catalog>;
  reading_ = true;
  const std::uint64_t covers = wanted_;
  auto job = [&keyring = keyring_](relay::Transaction& tx) -> Snapshot {
    return relay::load_catalog(tx, keyring);
  };
  auto snapshot = co_await relay::read<Snapshot>(database_, std::move(job));
  reading_ = false;
  if (snapshot) {
    catalog_.replace(std::move(*snapshot));
    published_ = covers;
  }
  changed_.cancel();
  if (!snapshot) co_return std::unexpected(snapshot.error());
  co_return Result<void>();
}

void CatalogReloader::request() {
  spawn(loop_, reload_logged(), "catalog.reload");
}

/// Until it has worked: a node that missed a change would answer by old rules for ever.
asio::awaitable<void> CatalogReloader::reload_logged() {
  while (true) {
    auto done = co_await reload();
    if (done) co_return;
    log::error("catalog.reload_failed", {{"error", done.error().message}});
    if (done.error().code != "store_busy") co_return;
    asio::steady_timer pause(loop_, std::chrono::milliseconds(250));
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

}  // namespace postern::control
