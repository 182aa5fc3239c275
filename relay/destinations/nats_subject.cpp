#include "relay/destinations/nats_subject.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postern::relay {
namespace {

// A server cuts the connection, everybody's, over a line of more than 4 KiB: whatever a tenant's template and
// a sender's words are, a subject stays at half of that.
constexpr std::size_t kMostValueBytes = 200;
constexpr std::size_t kMostPlaceholders = 8;
constexpr std::string_view kAfterPrefix = ".{workspace}.";
constexpr std::string_view kDefaultRest = "{source}.{type}";

bool fits(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

std::unexpected<Error> wrong(std::string message) {
  return fail("invalid_subject", std::move(message));
}

/// `text` is made of tokens and dots, with something standing in for placeholders.
Result<void> check_tokens(std::string_view text) {
  for (const char c : text) {
    if (c == '*' || c == '>') return wrong("a subject to publish on has no wildcards (* and >)");
    if (!fits(c) && c != '.')
      return wrong(
          "a subject is made of letters, digits, - and _ in tokens separated by dots, and of placeholders");
  }
  if (text.empty() || text.front() == '.' || text.back() == '.' || text.find("..") != std::string_view::npos)
    return wrong("a subject has no empty token: two dots side by side, or one at an end");
  return {};
}

}  // namespace

Result<void> check_subject_prefix(std::string_view prefix) {
  if (auto ok = check_tokens(prefix); !ok) return ok;
  if (prefix.size() > 64) return wrong("a prefix has at most 64 bytes");
  if (prefix == "_INBOX" || prefix.starts_with("_INBOX."))
    return wrong("NATS keeps the subjects under _INBOX for answers");
  return {};
}

std::string subject_token(std::string_view text) {
  std::string token(text.substr(0, kMostValueBytes));
  std::ranges::replace_if(token, [](char c) { return !fits(c); }, '_');
  return token.empty() ? "none" : token;
}

std::string subject_tokens(std::string_view text) {
  std::string out;
  text = text.substr(0, kMostValueBytes);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("./"), text.size());
    if (end > 0) out += (out.empty() ? "" : ".") + subject_token(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out.empty() ? "none" : out;
}

// A name that begins like an id is not taken at its word: it could be another workspace's id.
std::string nats_workspace_token(std::string_view name, std::string_view id) {
  const bool safe = !name.empty() && name.size() <= kMostValueBytes && std::ranges::all_of(name, fits) &&
                    !name.starts_with("wsp_");
  return std::string(safe ? name : id);
}

Result<SubjectTemplate::Slot> SubjectTemplate::slot_of(std::string_view name) {
  if (name == "workspace") return Slot::workspace;
  if (name == "source") return Slot::source;
  if (name == "provider") return Slot::provider;
  if (name == "type") return Slot::type;
  if (name == "domain") return Slot::domain;
  return wrong(
      fmt::format("there is no placeholder {{{}}}; there are {{workspace}}, {{source}}, {{provider}}, "
                  "{{type}} and {{domain}}",
                  name));
}

Result<void> SubjectTemplate::read(std::string_view text) {
  std::string shape;  // with an "x" for each placeholder
  while (!text.empty()) {
    const std::size_t brace = std::min(text.find('{'), text.size());
    Piece piece{std::string(text.substr(0, brace)), Slot::none};
    shape += piece.literal;
    text.remove_prefix(brace);
    if (!text.empty()) {
      const auto end = text.find('}');
      if (end == std::string_view::npos) return wrong("a placeholder's { has no }");
      const auto slot = slot_of(text.substr(1, end - 1));
      if (!slot) return std::unexpected(slot.error());
      piece.slot = *slot;
      shape += 'x';
      text.remove_prefix(end + 1);
    }
    pieces_.push_back(std::move(piece));
  }
  if (pieces_.size() > kMostPlaceholders)
    return wrong(fmt::format("a subject has at most {} placeholders", kMostPlaceholders));
  return check_tokens(shape);
}

Result<SubjectTemplate> SubjectTemplate::parse(std::string_view text, std::string_view prefix) {
  SubjectTemplate made;
  const std::string beginning = fmt::format("{}{}", prefix, kAfterPrefix);
  made.text_ = text.empty() ? fmt::format("{}{}", beginning, kDefaultRest) : std::string(text);
  if (made.text_.size() > kMostSubjectTemplateBytes)
    return wrong(fmt::format("a subject's template has at most {} bytes", kMostSubjectTemplateBytes));
  if (!made.text_.starts_with(beginning))
    return wrong(
        fmt::format("a subject begins with \"{}\", so that no workspace publishes among another's; for "
                    "example \"{}{}\"",
                    beginning, beginning, kDefaultRest));
  if (auto ok = made.read(made.text_); !ok) return std::unexpected(ok.error());
  return made;
}

std::string SubjectTemplate::render(const SubjectValues& values) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    out += piece.literal;
    switch (piece.slot) {
      case Slot::none:
        break;
      case Slot::workspace:
        out += values.workspace;
        break;
      case Slot::source:
        out += subject_token(values.source);
        break;
      case Slot::provider:
        out += subject_token(values.provider);
        break;
      case Slot::type:
        out += subject_tokens(values.type);
        break;
      case Slot::domain:
        out += subject_tokens(values.domain.empty() ? values.type : values.domain);
        break;
    }
  }
  return out;
}

}  // namespace postern::relay
