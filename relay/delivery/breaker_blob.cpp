#include "relay/delivery/breaker_blob.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kWords = 5;
constexpr auto kTimeMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

/// nullopt for fewer words or more.
std::optional<std::array<std::string_view, kWords>> words_of(std::string_view text) {
  std::array<std::string_view, kWords> words;
  for (std::size_t i = 0; i < kWords; ++i) {
    const std::size_t end = i + 1 < kWords ? text.find(' ') : text.size();
    if (end == std::string_view::npos) return std::nullopt;
    words[i] = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

constexpr std::string_view kReset = "reset";

std::string_view word_for(const BreakerSnapshot& snapshot) {
  return snapshot.state == BreakerState::closed && snapshot.by_reset ? kReset : to_text(snapshot.state);
}

std::optional<BreakerState> state_from(std::string_view word) {
  if (word == kReset) return BreakerState::closed;
  for (const auto state : {BreakerState::closed, BreakerState::open, BreakerState::half_open}) {
    if (word == to_text(state)) return state;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_from(std::string_view word, std::uint64_t most) {
  const auto number = parse_u64(word);
  return number && *number <= most ? number : std::nullopt;
}

}  // namespace

std::string to_blob(const BreakerSnapshot& snapshot) {
  return fmt::format("1 {} {} {} {}", word_for(snapshot), to_micros(snapshot.since),
                     to_micros(snapshot.probe_at), snapshot.openings);
}

std::optional<BreakerSnapshot> breaker_from_blob(std::string_view blob) {
  const auto words = words_of(blob);
  if (!words || (*words)[0] != "1") return std::nullopt;
  const auto state = state_from((*words)[1]);
  const auto since = number_from((*words)[2], kTimeMost);
  const auto probe_at = number_from((*words)[3], kTimeMost);
  const auto openings = number_from((*words)[4], std::numeric_limits<unsigned>::max());
  if (!state || !since || !probe_at || !openings) return std::nullopt;
  const BreakerSnapshot found{*state, from_micros(static_cast<std::int64_t>(*since)),
                              from_micros(static_cast<std::int64_t>(*probe_at)),
                              static_cast<unsigned>(*openings), (*words)[1] == kReset};
  if (to_blob(found) != blob) return std::nullopt;  // leading zeros
  return found;
}

Time probe_turn(const BreakerSnapshot& heard, double share) {
  constexpr Duration kMost = std::chrono::seconds(5);
  const Duration lead = std::clamp((heard.probe_at - heard.since) / 4, Duration{}, kMost);
  return heard.probe_at - Duration(static_cast<std::int64_t>(static_cast<double>(lead.count()) * share));
}

}  // namespace postern::relay
