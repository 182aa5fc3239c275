#include "control/api/call.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "control/api/json.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
using relay::Transaction;

constexpr std::size_t kKeyLength = 255;

/// The Idempotency-Key of a request and what ties it to that request.
struct Once {
  std::string key;  // empty: none was sent
  std::string request_digest;
  std::string place() const { return "idempotency/" + key; }
};

std::expected<Once, Problem> once_of(const http::Request& request) {
  const std::string* key = http::find_header(request.headers, "Idempotency-Key");
  if (!key || request.method != "POST") return Once{};
  if (http::count_header(request.headers, "Idempotency-Key") != 1) {
    return std::unexpected(invalid_request("Idempotency-Key is given more than once."));
  }
  const bool visible = std::ranges::all_of(*key, [](char c) { return c > ' ' && c < 0x7f; });
  if (key->empty() || key->size() > kKeyLength || !visible) {
    return std::unexpected(invalid_request("Idempotency-Key must be 1 to 255 visible ASCII characters."));
  }
  return Once{*key, sha256(fmt::format("{}\n{}\n{}", request.method, request.target, request.body))};
}

struct Answer {
  int status = 200;
  std::string body;
  bool repeated = false;
};

http::Response to_response(const Answer& answer) {
  http::Response response{
      .status = answer.status, .headers = {{"Cache-Control", "no-store"}}, .body = answer.body};
  if (!answer.body.empty()) response.headers.push_back({"Content-Type", "application/json"});
  if (answer.repeated) response.headers.push_back({"Idempotency-Replayed", "true"});
  return response;
}

/// One write, whole: the job, its audit entry and the kept answer. Copied to the writer thread.
struct Change {
  const ApiServices& services;
  Principal who;
  Once once;
  WriteJob job;

  std::expected<Answer, Problem> run(Transaction& tx) const {
    tx.confine(who.workspace_id);
    const Time now = services.clock.now();
    relay::IdempotencyRepository kept(tx);
    if (!once.key.empty()) {
      if (const auto earlier = kept.find(who.workspace_id, once.key, now)) return repeat(*earlier);
    }
    auto written = job(tx);
    if (!written) return std::unexpected(std::move(written.error()));
    audit(tx, written->note, now);
    Answer answer{.status = written->status,
                  .body = written->body.is_null() ? "" : boost::json::serialize(written->body)};
    if (!once.key.empty()) {
      kept.keep(who.workspace_id, once.key, {once.request_digest, answer.status, seal(answer.body)}, now);
    }
    return answer;
  }

  std::expected<Answer, Problem> repeat(const relay::IdempotencyRepository::Kept& earlier) const {
    if (!constant_time_equal(earlier.request_digest, once.request_digest)) {
      return std::unexpected(Problem{422, "idempotency_mismatch",
                                     "This Idempotency-Key was used for another request. Use a new one."});
    }
    const auto body = services.keyring.open(who.workspace_id, earlier.body, once.place());
    if (!body) throw std::runtime_error("a kept answer cannot be opened: " + body.error().message);
    return Answer{.status = earlier.status, .body = *body, .repeated = true};
  }

  std::string seal(std::string_view body) const {
    return services.keyring.seal(who.workspace_id, body, once.place());
  }

  void audit(Transaction& tx, const Note& note, Time now) const {
    relay::AuditRepository(tx).add({.id = services.ids.of<AuditId>(),
                                    .workspace_id = who.workspace_id,
                                    .actor = who.key_id.to_string(),
                                    .action = note.action,
                                    .object = note.object,
                                    .detail_json = boost::json::serialize(note.detail),
                                    .at = now});
  }
};

}  // namespace

asio::awaitable<Reply> read(const ApiServices& services, Principal who, ReadJob job) {
  auto confined = [who, job = std::move(job)](Transaction& tx) {
    tx.confine(who.workspace_id);
    return job(tx);
  };
  auto reply = co_await relay::read<Reply>(services.database, std::move(confined));
  if (!reply) co_return std::unexpected(problem_from(reply.error()));
  co_return std::move(*reply);
}

asio::awaitable<Reply> write(const ApiServices& services, const Call& call, WriteJob job) {
  auto once = once_of(call.request);
  if (!once) co_return std::unexpected(std::move(once.error()));
  // The store undoes a job that returns an Error; the Problem behind it travels beside.
  auto problem = std::make_shared<std::optional<Problem>>();
  auto change = std::make_shared<const Change>(services, call.who, std::move(*once), std::move(job));
  auto run = [change, problem](Transaction& tx) -> Result<Answer> {
    auto answer = change->run(tx);
    if (answer) return std::move(*answer);
    *problem = std::move(answer.error());
    return fail((*problem)->code, (*problem)->detail);
  };
  auto answer = co_await relay::write<Answer>(services.database, std::move(run));
  if (!answer && *problem) co_return std::unexpected(std::move(**problem));
  if (!answer) co_return std::unexpected(problem_from(answer.error()));
  auto reloaded = co_await services.reloader.reload();
  if (!reloaded) co_return std::unexpected(problem_from(reloaded.error()));
  co_return to_response(*answer);
}

}  // namespace postern::control
