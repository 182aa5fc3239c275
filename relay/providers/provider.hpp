#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "relay/providers/scheme.hpp"

/// Providers are rows of data: what a sender signs, where its ids are, what it wants to hear back.
/// The sources of each row's facts stand beside it in rows.cpp.
namespace postern::relay {

enum class Handshake { none, slack_url_verification };

struct Provider {
  std::string name;                  ///< as the API spells it, e.g. "stripe"
  std::string title;                 ///< for people
  std::optional<Scheme> scheme;      ///< absent for generic-hmac: each source brings its own
  std::size_t secret_bytes_min = 8;  ///< of the key, after decoding
  Handshake handshake = Handshake::none;
  int ack_status = 202;        ///< for a new event
  int duplicate_status = 200;  ///< for one that is there already

  // Facts about the sender, for people and for tuning.
  Duration sender_timeout{};  ///< how long it waits for an answer; 0: not published
  std::string_view retries;   ///< what it does after a failure
};

/// All rows, in the order people see them. The index of a row is stable within a process.
std::span<const Provider> providers();
/// Null when there is none of that name.
const Provider* find_provider(std::string_view name);
/// All names, comma-separated, for messages.
std::string provider_names();

}  // namespace postern::relay
