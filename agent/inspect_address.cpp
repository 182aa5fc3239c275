#include "agent/inspect_address.hpp"

#include "agent/host_port.hpp"
#include "base/bytes.hpp"

namespace postern::agent {

namespace ip = boost::asio::ip;

Result<ip::tcp::endpoint> parse_inspect_address(std::string_view text) {
  const bool any_port = text.ends_with(":0");  // no port to dial, but one to listen on
  const std::string dialled =
      any_port ? std::string(text.substr(0, text.size() - 1)) + "1" : std::string(text);
  auto parsed = parse_host_port(dialled);
  if (!parsed) {
    return fail("invalid_address",
                fmt::format("\"{}\" is not an address to inspect at: it is HOST:PORT, such as {}.", text,
                            kInspectAddress));
  }
  if (ascii_iequals(parsed->host, "localhost")) parsed->host = "127.0.0.1";
  boost::system::error_code ec;
  const auto address = ip::make_address(parsed->host, ec);
  if (ec || !address.is_loopback()) {
    return fail(
        "invalid_address",
        fmt::format("{} is not a loopback address. The inspector shows webhooks and can call the app, so it "
                    "listens on 127.0.0.1, [::1] or localhost only. From another host: "
                    "ssh -L 4040:{} THIS_HOST.",
                    text, kInspectAddress));
  }
  return ip::tcp::endpoint(address, any_port ? std::uint16_t{0} : parsed->port);
}

}  // namespace postern::agent
