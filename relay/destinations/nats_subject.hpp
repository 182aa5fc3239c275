#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

/// Which NATS subject an event is published on. Pure.
///
/// A subject begins with the operator's prefix and the workspace's token, whatever a tenant writes: that is
/// what keeps tenants apart. Everything inserted is made of a-z, A-Z, 0-9, - and _; so no value, whoever
/// chose it, can add a token, a wildcard or a blank, and two workspaces never share a token
/// (nats_workspace_token).
namespace postern::relay {

inline constexpr std::size_t kMostSubjectTemplateBytes = 256;
inline constexpr std::string_view kDefaultSubjectPrefix = "postern";

/// nats.subject_prefix: one or more tokens, not of those NATS keeps for itself ("$JS", "_INBOX").
/// `invalid_subject`.
Result<void> check_subject_prefix(std::string_view prefix);

/// One token, never empty: what does not fit becomes '_', nothing becomes "none".
std::string subject_token(std::string_view text);
/// Tokens separated by dots: '.' and '/' of the text separate, empty tokens are left out, the rest as above.
/// "orders/create" gives "orders.create".
std::string subject_tokens(std::string_view text);
/// The workspace's name when that can stand as it is (names of workspaces are unique), else its id.
std::string nats_workspace_token(std::string_view name, std::string_view id);

struct SubjectValues {
  std::string workspace;  ///< by nats_workspace_token
  std::string_view source;
  std::string_view provider;
  std::string_view type;
  std::string_view domain;  ///< empty: the type takes its place
};

class SubjectTemplate {
 public:
  /// Empty text is "PREFIX.{workspace}.{source}.{type}". `invalid_subject`, with a message fit for the API:
  /// it must begin with "PREFIX.{workspace}." and go on; placeholders are {workspace} {source} {provider}
  /// {type} {domain}; the rest is letters, digits, - and _ in tokens separated by dots.
  static Result<SubjectTemplate> parse(std::string_view text, std::string_view prefix);

  const std::string& text() const { return text_; }
  std::string render(const SubjectValues& values) const;

 private:
  enum class Slot { none, workspace, source, provider, type, domain };
  struct Piece {
    std::string literal;
    Slot slot = Slot::none;  ///< behind the literal
  };
  static Result<Slot> slot_of(std::string_view name);
  Result<void> read(std::string_view text);

  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace postern::relay
