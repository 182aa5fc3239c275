#include "relay/providers/json_scan.hpp"

#include <boost/json.hpp>

#include <cstring>

namespace postern::relay {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool ends_literal(char c) {
  return is_blank(c) || c == ',' || c == '}' || c == ']';
}
bool is_number(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
}

/// `raw` is what stands between the quotes. Escapes are rare in keys and ids, so they may cost a parser.
std::optional<std::string> decode(std::string_view raw) {
  if (raw.find('\\') == std::string_view::npos) return std::string(raw);
  boost::json::error_code error;
  const auto value = boost::json::parse("\"" + std::string(raw) + "\"", error);
  if (error || !value.is_string()) return std::nullopt;
  return std::string(value.get_string());
}

/// A set of pointers, one bit each.
using Pointers = unsigned;

class Scan {
 public:
  Scan(std::string_view text, std::span<const JsonPointer* const> pointers, JsonFound& found)
      : text_(text), pointers_(pointers), found_(found), wanted_((1U << pointers.size()) - 1) {}

  /// False when the text broke; true at its end, or when nothing is wanted any more.
  bool run() {
    skip_blanks();
    return value(wanted_, 0) || wanted_ == 0;
  }

 private:
  /// Each reader leaves the position behind what it read. False: broken, or all found, and so unwind.
  bool value(Pointers here, std::size_t depth);
  bool object(Pointers here, std::size_t depth);
  bool array(Pointers here, std::size_t depth);
  bool scalar(Pointers here, std::size_t depth);
  bool string(std::string_view& raw);
  bool skip_container();
  bool next_or_end(char end, bool& ended);

  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  Pointers children(Pointers here, std::size_t depth, std::string_view token) const;
  bool take(Pointers here, std::size_t depth, std::string_view word);

  std::string_view text_;
  std::span<const JsonPointer* const> pointers_;
  JsonFound& found_;
  Pointers wanted_;
  std::size_t at_ = 0;
};

/// The pointers that go on into `token`.
Pointers Scan::children(Pointers here, std::size_t depth, std::string_view token) const {
  Pointers out = 0;
  for (std::size_t i = 0; i < pointers_.size(); ++i) {
    const auto& tokens = pointers_[i]->tokens;
    if ((here & wanted_ & 1U << i) != 0 && tokens.size() > depth && tokens[depth] == token) out |= 1U << i;
  }
  return out;
}

/// Keeps `word` for the pointers that end here. False once nothing is wanted.
bool Scan::take(Pointers here, std::size_t depth, std::string_view word) {
  for (std::size_t i = 0; i < pointers_.size(); ++i) {
    if ((here & wanted_ & 1U << i) == 0 || pointers_[i]->tokens.size() != depth || word.empty()) continue;
    found_[i] = std::string(word);
    wanted_ &= ~(1U << i);
  }
  return wanted_ != 0;
}

bool Scan::string(std::string_view& raw) {
  const std::size_t start = ++at_;
  while (at_ < text_.size()) {
    const void* const quote = std::memchr(text_.data() + at_, '"', text_.size() - at_);
    if (quote == nullptr) return false;
    const auto end = static_cast<std::size_t>(static_cast<const char*>(quote) - text_.data());
    std::size_t slashes = 0;
    while (end - slashes > at_ && text_[end - slashes - 1] == '\\') ++slashes;
    at_ = end + 1;
    if (slashes % 2 == 0) {
      raw = text_.substr(start, end - start);
      return true;
    }
  }
  return false;
}

bool Scan::skip_container() {
  std::array<char, kJsonDepthMax> closers;
  std::size_t depth = 0;
  std::string_view ignored;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      if (!string(ignored)) return false;
      continue;
    }
    ++at_;
    if (c == '{' || c == '[') {
      if (depth == kJsonDepthMax) return false;
      closers[depth++] = c == '{' ? '}' : ']';
    } else if (c == '}' || c == ']') {
      if (closers[--depth] != c) return false;
      if (depth == 0) return true;
    }
  }
  return false;
}

/// Behind a member: steps over ',' or the closing bracket.
bool Scan::next_or_end(char end, bool& ended) {
  skip_blanks();
  const char c = peek();
  ended = c == end;
  ++at_;
  skip_blanks();
  return ended || c == ',';
}

bool Scan::object(Pointers here, std::size_t depth) {
  ++at_;
  skip_blanks();
  bool ended = peek() == '}';
  if (ended) ++at_;
  while (!ended) {
    std::string_view raw;
    if (peek() != '"' || !string(raw)) return false;
    const auto key = decode(raw);
    skip_blanks();
    if (!key || peek() != ':') return false;
    ++at_;
    skip_blanks();
    if (!value(children(here, depth, *key), depth + 1) || !next_or_end('}', ended)) return false;
  }
  return true;
}

bool Scan::array(Pointers here, std::size_t depth) {
  ++at_;
  skip_blanks();
  bool ended = peek() == ']';
  if (ended) ++at_;
  for (std::size_t index = 0; !ended; ++index) {
    if (!value(children(here, depth, std::to_string(index)), depth + 1) || !next_or_end(']', ended))
      return false;
  }
  return true;
}

bool Scan::scalar(Pointers here, std::size_t depth) {
  if (peek() == '"') {
    std::string_view raw;
    if (!string(raw)) return false;
    if (here == 0) return true;
    const auto word = decode(raw);
    return word && take(here, depth, *word);
  }
  const std::size_t start = at_;
  while (at_ < text_.size() && !ends_literal(text_[at_])) ++at_;
  const std::string_view word = text_.substr(start, at_ - start);
  if (is_number(word)) return here == 0 || take(here, depth, word);
  return word == "true" || word == "false" || word == "null";
}

bool Scan::value(Pointers here, std::size_t depth) {
  const char c = peek();
  if (c != '{' && c != '[') return scalar(here, depth);
  if (here == 0) return skip_container();
  return c == '{' ? object(here, depth) : array(here, depth);
}

}  // namespace

JsonFound scan_json(std::string_view text, std::span<const JsonPointer* const> pointers) {
  JsonFound found;
  if (pointers.empty() || pointers.size() > kJsonPointersMax) return found;
  if (!Scan(text, pointers, found).run()) found = JsonFound{};
  return found;
}

}  // namespace postern::relay
