#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host_port.hpp"
#include "base/error.hpp"
#include "base/http/message.hpp"

namespace postern::agent {

/// What a stream asks for, as the relay sent it; not trusted.
struct Call {
  bool tls = false;
  std::string_view host;  ///< without brackets, or unix:/path
  std::uint16_t port = 0;
  std::string_view method;
  std::string_view target;  ///< raw path and query
  std::span<const http::Header> headers = {};
};

/// One line of the allow-list:
///
///   [METHOD[|METHOD…] ]PLACE[/PATH][#sha256=KEY][ max=N]
///
/// METHOD in capitals; without, every method. PLACE is HOST:PORT, [IPV6]:PORT, HOST:* (every port), an origin
/// http://HOST[:PORT] or https://HOST[:PORT] with the scheme's own port, or unix:/path/of.sock, whose PATH
/// follows another colon (unix:/run/app.sock:/hooks/). PATH limits to what is_below() it. KEY, with https://
/// only, is the SHA-256 of the app's public key (SPKI) in 64 hex digits: the app is then spoken to over https
/// only, and is known by that key instead of by its certificate's authority and name. N, 1 to 1024, is how
/// many deliveries the app takes at once, whatever their methods and paths.
class AllowEntry {
 public:
  /// Error `invalid_allow` names the entry and what is wrong with it.
  static Result<AllowEntry> parse(std::string_view text);

  /// The place is this one; nothing is said of method and path. Never resolves a name.
  bool reaches(const Call& call) const;
  bool takes(const Call& call) const;  ///< method and path, too
  bool is_limited() const { return !methods_.empty() || !prefix_.empty(); }

  /// Empty for a unix socket. Port 0 stands for every port.
  const HostPort& place() const { return place_; }
  const std::string& socket_path() const { return socket_; }  ///< empty for a HOST
  const std::string& pin() const { return pin_; }             ///< 32 bytes; empty: none
  std::size_t most() const { return most_; }                  ///< deliveries at once; 0: any number
  std::string to_string() const;                              ///< canonical; parse() reads it back

 private:
  Result<std::string_view> take_most(std::string_view text);
  Result<std::string_view> take_methods(std::string_view text);
  Result<std::string_view> take_pin(std::string_view text);
  Result<void> read_place(std::string_view text);
  Result<void> read_socket(std::string_view text);
  Result<void> limit_to(std::string_view path);

  std::vector<std::string> methods_;
  HostPort place_;
  std::string socket_;
  std::string prefix_;
  std::string pin_;
  std::size_t most_ = 0;
};

/// The path after unix:, when `host` is one.
std::optional<std::string_view> socket_path(std::string_view host);

}  // namespace postern::agent
