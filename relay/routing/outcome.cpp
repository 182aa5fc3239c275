#include "relay/routing/outcome.hpp"

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

/// On one line; jq words its errors with pieces of the event in them.
std::string one_line(std::string_view message) {
  std::string line(message);
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  return line;
}

/// Never cut within a character.
std::string cut(std::string text, std::size_t most) {
  if (!is_utf8(text))
    std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  if (text.size() <= most) return text;
  constexpr std::string_view kDots = "…";
  std::size_t end = most - kDots.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + std::string(kDots);
}

/// A route without a filter cannot have failed there, wherever it was when the time ran out.
std::string_view failed_word(Stage stage, const RoutePrograms& programs) {
  const bool filter = programs.transform.empty() || (stage != Stage::transform && !programs.filter.empty());
  return filter ? "filter_failed" : "transform_failed";
}

}  // namespace

std::string reason_of(const Ruling& ruling, const RoutePrograms& programs) {
  if (ruling.kind == Ruling::Kind::skipped) return "filtered";
  if (ruling.kind != Ruling::Kind::failed) return {};
  return cut(fmt::format("{}: {}", failed_word(ruling.stage, programs), one_line(ruling.message)),
             kReasonBytesMax);
}

void apply(const Ruling& ruling, const RoutePrograms& programs, NewDelivery& delivery) {
  switch (ruling.kind) {
    case Ruling::Kind::passed:
      return;
    case Ruling::Kind::transformed:
      delivery.payload = ruling.payload;
      return;
    case Ruling::Kind::skipped:
    case Ruling::Kind::failed:
      const bool skipped = ruling.kind == Ruling::Kind::skipped;
      delivery.decided =
          Admission{skipped ? DeliveryState::cancelled : DeliveryState::dead, reason_of(ruling, programs)};
  }
}

}  // namespace postern::relay
