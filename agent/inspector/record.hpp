#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "tunnel-proto/messages.hpp"

namespace postern::agent::inspector {

/// As much of a body as is kept: its beginning.
struct KeptBody {
  std::string bytes;
  std::uint64_t size = 0;  ///< of the whole
  bool is_whole() const { return bytes.size() == size; }
};

/// One delivery that passed, or a request that was sent again from here.
struct Record {
  std::uint64_t number = 0;    ///< from 1, in order of arrival, without a gap
  std::uint64_t revision = 0;  ///< of its last change; rises over all records together
  Time at;
  SteadyTime began;
  std::optional<Duration> took;  ///< in the agent, with waiting; nullopt: it runs
  std::optional<std::uint64_t> resend_of;
  unsigned resends = 0;  ///< of this one
  tunnel::DeliverHead request;
  std::optional<KeptBody> request_body;  ///< nullopt: the agent has not read it
  std::optional<tunnel::ResultHead> result;
  KeptBody response_body;
};

/// `running`; `delivered`, `not_sent`, `maybe_sent` (ResultOutcome); `told_again`: answered from the journal,
/// without the app; `given_up`: the relay let go of it before the app was called.
std::string_view state_of(const Record& record);

/// The app as an allow-list names it: host:port, or unix:/path.
std::string app_of(const tunnel::DeliverHead& head);

}  // namespace postern::agent::inspector
