#include "control/endpoints.hpp"

#include <boost/asio/ip/host_name.hpp>

namespace postern::control {

namespace asio = boost::asio;
using asio::ip::tcp;

Result<tcp::endpoint> resolve_listen(const config::Address& address) {
  boost::system::error_code ec;
  const auto literal = asio::ip::make_address(address.host, ec);
  if (!ec) return tcp::endpoint(literal, address.port);
  asio::io_context context;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return fail("listen_failed",
                fmt::format("{}: the name cannot be looked up: {}.", address.to_string(), ec.message()));
  }
  return found.begin()->endpoint();
}

std::string to_text(const tcp::endpoint& endpoint) {
  return config::Address{endpoint.address().to_string(), endpoint.port()}.to_string();
}

std::string url_of(std::string_view scheme, const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (!address.is_unspecified()) return fmt::format("{}://{}", scheme, to_text(endpoint));
  return fmt::format("{}://{}:{}", scheme, address.is_v6() ? "[::1]" : "127.0.0.1", endpoint.port());
}

config::Address dialled_by_agents(const tcp::endpoint& endpoint) {
  if (!endpoint.address().is_unspecified()) return {endpoint.address().to_string(), endpoint.port()};
  boost::system::error_code ec;
  const std::string name = asio::ip::host_name(ec);
  return {ec || name.empty() ? "127.0.0.1" : name, endpoint.port()};
}

Result<std::shared_ptr<asio::ssl::context>> ingest_tls(const IngestSettings& settings) {
  if (settings.tls_certificate.empty()) return nullptr;
  using asio::ssl::context;
  auto tls = std::make_shared<context>(context::tls_server);
  boost::system::error_code ec;
  tls->set_options(
      context::default_workarounds | context::no_tlsv1 | context::no_tlsv1_1 | context::no_compression, ec);
  tls->use_certificate_chain_file(settings.tls_certificate.string(), ec);
  if (ec) {
    return fail("tls_unusable", fmt::format("ingest.tls_certificate {}: {}.",
                                            settings.tls_certificate.string(), ec.message()));
  }
  tls->use_private_key_file(settings.tls_key.string(), context::pem, ec);
  if (ec)
    return fail("tls_unusable",
                fmt::format("ingest.tls_key {}: {}.", settings.tls_key.string(), ec.message()));
  return tls;
}

}  // namespace postern::control
