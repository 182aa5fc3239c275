#include "agent/join.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>

#include <fstream>

#include "agent/dial_relay.hpp"
#include "base/backoff.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

constexpr int kTries = 5;
constexpr std::size_t kTokenLimit = std::size_t{16} * 1024;

Result<std::string> first_line(std::istream& in, std::string_view where) {
  std::string line;
  char c = 0;
  while (line.size() < kTokenLimit && in.get(c) && c != '\n') line.push_back(c);
  if (line.empty()) return fail("no_token", fmt::format("{} holds no join token.", where));
  return line;
}

Result<std::string> token_text(const Options& options, std::istream& standard_input) {
  if (!options.join_file.empty() && options.join_file != "-") {
    std::ifstream file(options.join_file);
    if (!file)
      return fail("io_failed", fmt::format("Cannot open {}: {}.", options.join_file, std::strerror(errno)));
    return first_line(file, options.join_file);
  }
  if (options.join_file == "-" || options.token == "-") return first_line(standard_input, "Standard input");
  if (!options.token.empty()) return options.token;
  return fail("no_token",
              "No join token. Get one on the relay (postern agents enroll NAME), and run: postern-agent join "
              "TOKEN --allow HOST:PORT");
}

/// The agent's end of the one connection a join needs.
class Joiner final : public tunnel::AgentEvents {
 public:
  Joiner(const asio::any_io_executor& executor, JoinParts parts, JoinId join_id)
      : over(executor, asio::steady_timer::time_point::max()), parts_(parts), join_id_(join_id) {}

  void joinable(AgentId agent_id) override {
    auto secret = remember_secret();
    if (!secret) return give_up(secret.error());
    tunnel::EnrollRequest request;
    request.verifiers = tunnel::derive_verifiers(tunnel::Identity::agent, agent_id.uuid, joining.secret);
    request.facts_json = joining.facts_json;
    if (auto sent = connection->enroll(request); !sent) give_up(sent.error());
  }
  void enrolled(AgentId agent_id) override { agent = agent_id; }
  void opened(const tunnel::Admission&) override {}
  void delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) override {
    delivery->reset(tunnel::ResetCode::refused);
  }
  void going_away(const tunnel::GoAway&) override {}
  void closed(const tunnel::CloseReason& why) override {
    reason = why;
    is_over = true;
    connection.reset();
    over.cancel();
  }

  asio::steady_timer over;
  bool is_over = false;
  std::shared_ptr<tunnel::AgentConnection> connection;
  std::optional<AgentId> agent;
  std::optional<Error> own_error;
  tunnel::CloseReason reason;
  Joining joining;

 private:
  /// The one on disk when this join has begun before; else a new one, on disk when this returns.
  Result<void> remember_secret() {
    auto begun = parts_.state_dir.joining();
    if (!begun) return std::unexpected(begun.error());
    if (*begun && (*begun)->join_id == join_id_) {
      joining = std::move(**begun);
      return {};
    }
    joining = Joining{join_id_, parts_.random.bytes(tunnel::kSecretSize), host_facts()};
    return parts_.state_dir.save(joining);
  }
  void give_up(Error error) {
    own_error = std::move(error);
    connection->close("closed_by_us", "The agent could not go on.");
  }

  JoinParts parts_;
  JoinId join_id_;
};

/// Whoever answered is not the relay; asking again so soon would not change that.
bool is_stranger(std::string_view code) {
  return code == "pin_mismatch" || code == "relay_not_proven" || code == "untrusted";
}

/// How one try ended: with an agent id, or with a reason and whether another try can help.
struct Try {
  std::optional<AgentId> agent;
  std::string secret;
  Error error;
  bool again = true;
};

tunnel::AgentConnection::Credential credential_of(const tunnel::JoinToken& token, Random& random) {
  tunnel::AgentConnection::Credential credential;
  credential.kind = tunnel::Identity::join;
  credential.id = token.join_id.uuid;
  credential.secret = token.join_secret;
  random.fill(reinterpret_cast<char*>(credential.instance_id.data()), credential.instance_id.size());
  credential.software = "postern-agent/" POSTERN_VERSION;
  return credential;
}

asio::awaitable<Try> try_once(JoinParts parts, tunnel::JoinToken token, std::string ca) {
  Try result;
  auto socket = co_await dial_relay({token.host, token.port}, parts.proxies);
  if (!socket) {
    result.error = socket.error();
    result.again = result.error.code != "proxy_auth_required";  // asking again can lock the user out
    co_return result;
  }
  auto executor = co_await asio::this_coro::executor;
  auto joiner = std::make_shared<Joiner>(executor, parts, token.join_id);
  const auto tls = relay_tls({token.pins, ca}, {token.host, token.port});
  if (!tls) {
    result.error = tls.error();
    result.again = false;
    co_return result;
  }
  const tunnel::ConnectionEnv env{parts.clock, parts.random, parts.limits};
  joiner->connection = tunnel::AgentConnection::start(std::move(*socket), *tls, env,
                                                      credential_of(token, parts.random), joiner);
  const auto wait = asio::as_tuple(asio::use_awaitable);
  while (!joiner->is_over) co_await joiner->over.async_wait(wait);
  result.agent = joiner->agent;
  result.secret = joiner->joining.secret;
  result.error = joiner->own_error.value_or(Error{joiner->reason.code, joiner->reason.message});
  result.again = !joiner->own_error && joiner->reason.retryable && !is_stranger(joiner->reason.code);
  co_return result;
}

/// The relay's words for a stranger say little on purpose; here is what they can mean.
Error explained(Error error, const tunnel::JoinToken& token, Time now) {
  if (error.code == "auth_failed") {
    const bool late = now >= token.expires_at;
    error.message = fmt::format(
        "The relay does not accept this join token ({}). Ask for a new one: postern agents "
        "enroll NAME.",
        late ? "it expired at " + to_rfc3339(token.expires_at)
             : "it has been replaced by a newer one, or belongs to another relay");
  } else if (error.code == "pin_mismatch") {
    error.message += fmt::format(" Whoever answers at {}:{} is not the relay that made this token.",
                                 token.host, token.port);
  }
  return error;
}

}  // namespace

Result<tunnel::JoinToken> read_token(const Options& options, std::istream& standard_input) {
  auto text = token_text(options, standard_input);
  if (!text) return std::unexpected(text.error());
  auto token = tunnel::parse_join_token(*text);
  cleanse(*text);
  return token;
}

std::string host_facts() {
  utsname host{};
  ::uname(&host);
  const boost::json::object facts{{"hostname", std::string_view(host.nodename)},
                                  {"os", std::string_view(host.sysname)},
                                  {"kernel", std::string_view(host.release)},
                                  {"machine", std::string_view(host.machine)},
                                  {"version", POSTERN_VERSION}};
  return boost::json::serialize(facts);
}

asio::awaitable<Result<Identity>> join(JoinParts parts, tunnel::JoinToken token, AllowList allow,
                                       std::string ca) {
  auto relay = parse_host_port(HostPort{token.host, token.port}.to_string());
  if (!relay)
    co_return fail("join_token_invalid", "The token's relay address is not usable: " + relay.error().message);
  auto executor = co_await asio::this_coro::executor;
  Backoff backoff(std::chrono::milliseconds(500), std::chrono::seconds(10));
  Try last;
  for (int i = 0; i < kTries; ++i) {
    last = co_await try_once(parts, token, ca);
    if (last.agent || !last.again || i + 1 == kTries) break;
    log::warn("agent.join_retry", {{"relay", HostPort{token.host, token.port}.to_string()},
                                   {"code", last.error.code},
                                   {"message", last.error.message}});
    asio::steady_timer pause(executor, backoff.next(parts.random));
    co_await pause.async_wait(asio::use_awaitable);
  }
  if (!last.agent) co_return std::unexpected(explained(last.error, token, parts.clock.now()));
  Identity identity{*last.agent, last.secret, *relay, token.pins, std::move(allow), 0};
  identity.ca = std::move(ca);
  const auto saved = parts.state_dir.save(identity);
  if (!saved) co_return std::unexpected(saved.error());
  co_return std::move(identity);
}

}  // namespace postern::agent
