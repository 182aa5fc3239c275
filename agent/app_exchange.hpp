#pragma once
#include <memory>
#include <string>

#include "agent/options.hpp"
#include "base/error.hpp"
#include "base/http/client.hpp"
#include "tunnel-proto/messages.hpp"

/// Between the words of the tunnel and those of HTTP. No I/O.
namespace postern::agent {

/// What is said to the app, but for the body. The head is the relay's, and is not trusted to be well-formed:
/// anything that could end the request early or start a second one is `bad_request`. Framing, Host and
/// hop-by-hop headers are this connection's own and are left out; all others go on as they came.
Result<http::ClientRequest> to_app_request(const tunnel::DeliverHead& head);
/// An empty body is said (Content-Length: 0) unless the method is one that normally has none.
void attach_body(http::ClientRequest& request, std::shared_ptr<const std::string> body);

/// How any app is spoken to.
http::ClientOptions app_client_options(const AppTls& tls);
http::Origin origin_of(const tunnel::DeliverHead& head);

struct AppAnswer {
  tunnel::ResultHead head;
  std::string body;
};

/// Headers that do not fit the tunnel's frame or its count are left out, the last first; status and body
/// stay.
AppAnswer to_answer(http::ClientResponse response);
AppAnswer to_answer(const http::ClientError& error);
AppAnswer not_sent(std::string_view code, std::string_view message);

}  // namespace postern::agent
