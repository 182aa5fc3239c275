#pragma once
#include <boost/asio/ip/address.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host_port.hpp"
#include "base/error.hpp"

/// Which proxy, if any, the way to the relay leads through. No I/O. Apps are never reached by a proxy.
namespace postern::agent {

/// An HTTP proxy that is asked with CONNECT, in plain HTTP: what goes through it is the tunnel's own TLS.
struct Proxy {
  HostPort at;
  std::string authorization;  ///< value of Proxy-Authorization; empty: none. Secret, and never shown
};
/// [http://][USER[:PASSWORD]@]HOST[:PORT][/], port 80 unless said. User and password are percent-decoded.
/// Error `invalid_proxy`; it never repeats what was given, as that may hold a password.
Result<Proxy> parse_proxy(std::string_view url);

/// What is reached without the proxy, as NO_PROXY says it: a list with commas or blanks of
///
///   *               everything
///   HOST            the name, and all names below it        .HOST   only those below it
///   ADDRESS         a literal address                       ADDRESS/BITS  a range of them
///
/// each of the first three with :PORT for that port only. Names are not looked up: a range covers targets
/// that are literal addresses. What cannot be read covers nothing.
class NoProxy {
 public:
  NoProxy() = default;
  explicit NoProxy(std::string_view list);
  bool covers(const HostPort& target) const;

 private:
  struct Rule {
    bool all = false;
    std::string name;    ///< empty: not by name
    bool below = false;  ///< not the name itself
    std::optional<boost::asio::ip::address> address;
    unsigned bits = 0;
    std::uint16_t port = 0;  ///< 0: any
  };
  static std::optional<Rule> parse_rule(std::string_view text);
  static bool fits(const Rule& rule, const HostPort& target);

  std::vector<Rule> rules_;
};

struct ProxyRules {
  std::optional<Proxy> proxy;
  NoProxy except;
  /// Nobody who sets HTTPS_PROXY means this host itself; who says --proxy does.
  bool loopback_too = false;

  /// Null: dialled directly.
  const Proxy* on_the_way_to(const HostPort& target) const;
};

/// `chosen` is --proxy; when empty, HTTPS_PROXY or https_proxy counts. NO_PROXY or no_proxy excepts from
/// either. `environment` answers null for what is not set. Error `invalid_proxy` names where it came from.
Result<ProxyRules> proxy_rules(const std::string& chosen,
                               const std::function<const char*(const char*)>& environment);

}  // namespace postern::agent
