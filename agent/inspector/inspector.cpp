#include "agent/inspector/inspector.hpp"

#include "base/bytes.hpp"

namespace postern::agent::inspector {

using boost::asio::ip::tcp;

namespace {

constexpr std::size_t kTokenBytes = 16;

http::ServerOptions server_options(const tcp::endpoint& at) {
  http::ServerOptions options;
  options.listen = at;
  options.limits.header_bytes = std::size_t{16} * 1024;
  options.limits.body_memory = std::size_t{64} * 1024;
  options.limits.connections = 32;
  return options;
}

}  // namespace

Inspector::Inspector(Parts& parts, std::string token, const tcp::endpoint& at)
    : recorder_(std::make_shared<Recorder>(parts.clock)),
      api_(parts.loop.get_executor(), recorder_, Guard(token), std::move(parts.resend)),
      loops_{&parts.loop},
      server_(loops_, api_, server_options(at)),
      token_(std::move(token)) {}

Inspector::~Inspector() = default;

void Inspector::stop() {
  server_.stop();
  recorder_->forget();
}

Result<std::unique_ptr<Inspector>> Inspector::start(Parts parts, const tcp::endpoint& at) {
  std::string token = base64url_encode(parts.random.bytes(kTokenBytes));
  std::unique_ptr<Inspector> made(new Inspector(parts, std::move(token), at));
  const auto bound = made->server_.start();
  if (!bound) return std::unexpected(bound.error());
  const std::string host = bound->address().to_string();
  const bool v6 = bound->address().is_v6();
  made->address_ = fmt::format("http://{}{}{}:{}/", v6 ? "[" : "", host, v6 ? "]" : "", bound->port());
  made->url_ = made->address_ + "#token=" + made->token_;
  return made;
}

}  // namespace postern::agent::inspector
