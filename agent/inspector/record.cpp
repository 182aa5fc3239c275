#include "agent/inspector/record.hpp"

#include "base/http/client.hpp"

namespace postern::agent::inspector {

std::string_view state_of(const Record& record) {
  if (!record.took) return "running";
  if (!record.result) return "given_up";
  if (record.result->from_journal) return "told_again";
  switch (record.result->outcome) {
    case tunnel::ResultOutcome::delivered:
      return "delivered";
    case tunnel::ResultOutcome::maybe_sent:
      return "maybe_sent";
    case tunnel::ResultOutcome::not_sent:
      break;
  }
  return "not_sent";
}

std::string app_of(const tunnel::DeliverHead& head) {
  if (head.host.starts_with(http::kUnixHost)) return head.host;
  const bool v6 = head.host.contains(':');
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", head.host, v6 ? "]" : "", head.port);
}

}  // namespace postern::agent::inspector
