#include "relay/overload/load_level.hpp"

#include <array>

namespace postern::relay {
namespace {

constexpr std::array<std::string_view, kLoadLevels> kLevels = {"calm",       "no_reads",   "no_replays",
                                                               "no_retries", "few_events", "no_events"};
constexpr std::array<std::string_view, kWorks> kWork = {"reads", "replays", "retries", "events"};
constexpr std::array<LoadLevel, kWorks> kGivenUp = {LoadLevel::no_reads, LoadLevel::no_replays,
                                                    LoadLevel::no_retries, LoadLevel::few_events};

}  // namespace

std::string_view to_text(LoadLevel level) {
  return kLevels[static_cast<std::size_t>(level)];
}

std::string_view to_text(Work work) {
  return kWork[static_cast<std::size_t>(work)];
}

LoadLevel gives_up(Work work) {
  return kGivenUp[static_cast<std::size_t>(work)];
}

}  // namespace postern::relay
