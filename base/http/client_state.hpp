#pragma once
#include <optional>

#include "base/http/client.hpp"
#include "base/http/pool.hpp"
#include "base/http/tls_context.hpp"
#include "base/http/watchdog.hpp"

namespace postern::http {

/// What the exchanges of one client share. Tied to its loop by the first of them.
struct Client::State {
  explicit State(ClientOptions o) : options(std::move(o)) {
    if (!options.resolver) options.resolver = system_resolver();
  }
  ~State() {
    if (watchdog) watchdog->release();
  }

  void tie_to(const boost::asio::any_io_executor& executor) {
    if (watchdog) return;
    watchdog = std::make_shared<Watchdog>(executor);
    pool.emplace(watchdog, options.idle_per_origin, options.idle_time);
  }
  /// Loads the trust anchors when the first TLS connection needs them.
  Result<SSL_CTX*> tls() {
    if (!context) context = client_tls(options.ca_file);
    if (!*context) return std::unexpected(context->error());
    return (**context)->native_handle();
  }

  ClientOptions options;
  std::shared_ptr<Watchdog> watchdog;
  std::optional<Pool> pool;
  std::optional<Result<TlsContext>> context;
};

}  // namespace postern::http
