#include "relay/tunnel/enrollment_desk.hpp"

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::relay {

namespace asio = boost::asio;

namespace {

tunnel::Refusal refusal(std::string code, std::string message, bool retryable = false) {
  return {std::move(code), std::move(message), retryable,
          retryable ? Duration(std::chrono::seconds(1)) : Duration(0)};
}

tunnel::Refusal expired() {
  return refusal("expired", "The join token has expired. Ask for a new one.");
}

tunnel::Refusal to_refusal(const Error& error) {
  if (error.code == "conflict") {
    return refusal("already_used", "The join token has been used by another join. Ask for a new one.");
  }
  if (error.code == "expired") return expired();
  if (error.code == "not_found")
    return refusal("withdrawn", "The join token is no longer valid. Ask for a new one.");
  return refusal("busy", "The relay could not store the agent just now.", true);
}

std::string digest_of(const tunnel::EnrollRequest& request) {
  // The keys have a fixed length, so where each part ends is never in doubt.
  return sha256(request.verifiers.stored_key + request.verifiers.server_key + request.facts_json);
}

asio::awaitable<void> find(std::shared_ptr<HubCore> core, JoinId join,
                           std::function<void(std::optional<JoinVerifier>)> done) {
  auto found = co_await core->authority.find_enrollment(join);
  if (!found && found.error().code != "not_found") {
    log::warn("agent.join_lookup_failed", {{"join", join}, {"code", found.error().code}});
  }
  done(found ? std::optional(std::move(*found)) : std::nullopt);
}

asio::awaitable<void> claim(std::shared_ptr<HubCore> core, EnrollClaim claim,
                            std::function<void(std::optional<tunnel::Refusal>)> done) {
  auto claimed = co_await core->authority.claim(std::move(claim));
  done(claimed ? std::nullopt : std::optional(to_refusal(claimed.error())));
}

}  // namespace

tunnel::Account to_account(const JoinVerifier& join, Time now) {
  tunnel::Account account;
  account.verifiers = {join.stored_key, join.server_key};
  account.agent_id = join.agent_id;
  if (now >= join.expires_at) account.refusal = expired();
  return account;
}

void find_join(const asio::any_io_executor& executor, std::shared_ptr<HubCore> core, JoinId join,
               std::function<void(std::optional<JoinVerifier>)> done) {
  spawn(executor, find(std::move(core), join, std::move(done)), "agent.find_join");
}

void claim_join(const asio::any_io_executor& executor, std::shared_ptr<HubCore> core, JoinId join,
                tunnel::EnrollRequest request, std::function<void(std::optional<tunnel::Refusal>)> done) {
  if (request.verifiers.stored_key.size() != 32 || request.verifiers.server_key.size() != 32) {
    return asio::post(
        executor, [done = std::move(done)] { done(refusal("malformed", "The verifiers are malformed.")); });
  }
  EnrollClaim request_claim{join, digest_of(request), std::move(request.verifiers.stored_key),
                            std::move(request.verifiers.server_key), std::move(request.facts_json)};
  spawn(executor, claim(std::move(core), std::move(request_claim), std::move(done)), "agent.claim_join");
}

}  // namespace postern::relay
