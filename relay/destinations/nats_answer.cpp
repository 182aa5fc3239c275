#include "relay/destinations/nats_answer.hpp"

#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "base/bytes.hpp"
#include "relay/destinations/attempt_record.hpp"
#include "relay/notify/json_read.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;
using Kind = NatsAnswer::Kind;

// JSStreamMessageExceedsMaximumErr of the server's list of errors.
constexpr std::int64_t kLargerThanTheStreamTakes = 10054;
constexpr Duration kPause = std::chrono::seconds(1);

void fail_with(AttemptResult& result, Outcome outcome, std::string code, std::string message) {
  result.attempt.outcome = outcome;
  result.attempt.counted = true;
  result.attempt.error_code = std::move(code);
  result.attempt.error_message = std::move(message);
}

void record_refusal(AttemptResult& result, const json::value& error) {
  const auto number = json_read::integer(error, "/err_code").value_or(0);
  const auto status = json_read::integer(error, "/code").value_or(0);
  result.attempt.response_status = status > 0 && status < 1000 ? static_cast<int>(status) : 0;
  result.final = number == kLargerThanTheStreamTakes;
  fail_with(result, Outcome::rejected, "jetstream_refused",
            fmt::format("JetStream refused the message: {} (error {}).",
                        json_read::text(error, {"/description"}), number));
}

void record_ack(AttemptResult& result, const json::value& ack, std::string stream) {
  Attempt& attempt = result.attempt;
  attempt.outcome = Outcome::delivered;
  attempt.counted = true;
  attempt.response_status = 200;
  attempt.response_headers = {{"Nats-Stream", std::move(stream)},
                              {"Nats-Sequence", json_read::text(ack, {"/seq"})}};
  const json::value* duplicate = json_read::find(ack, "/duplicate");
  if (duplicate != nullptr && duplicate->is_bool() && duplicate->get_bool())
    attempt.response_headers.push_back({"Nats-Duplicate", "true"});
}

void record_answered(AttemptResult& result, std::string data) {
  boost::system::error_code failed;
  const json::value said = json::parse(data, failed);
  std::string stream = failed ? std::string() : json_read::text(said, {"/stream"});
  const json::value* error = failed ? nullptr : json_read::find(said, "/error");
  if (error != nullptr)
    record_refusal(result, *error);
  else if (!stream.empty())
    record_ack(result, said, std::move(stream));
  else
    fail_with(result, Outcome::rejected, "unexpected_answer",
              "Something else than JetStream answered on this subject.");
  result.attempt.response_truncated = data.size() > kMostResponseBytes;
  result.attempt.response_body = std::move(data);
  if (result.attempt.response_truncated) result.attempt.response_body.resize(kMostResponseBytes);
}

void record_no_stream(AttemptResult& result, std::string_view subject) {
  result.attempt.response_status = 503;
  fail_with(result, Outcome::rejected, "no_stream",
            fmt::format("No JetStream stream takes the subject {0}. Create one that does, for example: "
                        "nats stream add --subjects \"{1}.>\"",
                        subject, subject.substr(0, subject.find('.'))));
}

bool is_hopeless(std::string_view code) {
  return code == "nats_too_large" || code == "nats_refused";
}

void record_not_sent(AttemptResult& result, NatsAnswer answer) {
  if (!is_hopeless(answer.code))
    return record_deferred(result, std::move(answer.code), std::move(answer.message), kPause);
  fail_with(result, Outcome::not_sent, std::move(answer.code), std::move(answer.message));
  result.final = true;
}

}  // namespace

void record_nats_answer(AttemptResult& result, NatsAnswer answer, std::string_view subject) {
  switch (answer.kind) {
    case Kind::answered:
      return record_answered(result, std::move(answer.data));
    case Kind::no_responders:
      return record_no_stream(result, subject);
    case Kind::maybe_sent:
      return fail_with(result, Outcome::maybe_sent, std::move(answer.code), std::move(answer.message));
    case Kind::not_sent:
      return record_not_sent(result, std::move(answer));
  }
}

void record_too_large(AttemptResult& result, std::size_t bytes, std::size_t most) {
  fail_with(result, Outcome::not_sent, "nats_too_large",
            fmt::format(
                "The message has {} bytes with its headers; this NATS server takes at most {} (its "
                "max_payload). Raise that and replay the event, or send it to a destination of another kind.",
                bytes, most));
  result.final = true;
}

}  // namespace postern::relay
