#include "base/http/gate_rules.hpp"

#include <arpa/inet.h>

#include "base/bytes.hpp"
#include "base/http/chars.hpp"

namespace postern::http {

namespace {

using Outcome = std::optional<Verdict>;

Outcome refuse(std::string_view reason, int status = 400) {
  return Verdict{status, reason};
}

/// The fields that frame and address the message, found in one pass.
struct Framers {
  const std::string* host = nullptr;
  const std::string* length = nullptr;
  const std::string* transfer = nullptr;
  const std::string* expect = nullptr;
  unsigned hosts = 0, lengths = 0, transfers = 0, expects = 0;
  bool close = false;
  bool bad_connection = false;
  bool lookalike = false;
};

/// A list of tokens; empty elements count for nothing (RFC 9110, section 5.6.1).
void read_connection(Framers& found, std::string_view value) {
  while (!value.empty()) {
    std::string_view option = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), option.size() + 1));
    const auto first = option.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    option = option.substr(first, option.find_last_not_of(" \t") - first + 1);
    if (!is_token(option)) found.bad_connection = true;
    if (ascii_iequals(option, "close")) found.close = true;
  }
}

void note(Framers& found, const Header& field) {
  const auto keep = [&field](const std::string*& slot, unsigned& count) {
    slot = &field.value;
    ++count;
  };
  switch (field.name.size()) {
    case 4:
      if (ascii_iequals(field.name, "host")) keep(found.host, found.hosts);
      break;
    case 6:
      if (ascii_iequals(field.name, "expect")) keep(found.expect, found.expects);
      break;
    case 10:
      if (ascii_iequals(field.name, "connection")) read_connection(found, field.value);
      break;
    case 14:
      if (ascii_iequals(field.name, "content-length")) keep(found.length, found.lengths);
      // Servers that map fields to variables read an underscore as a dash.
      if (ascii_iequals(field.name, "content_length")) found.lookalike = true;
      break;
    case 16:
      if (ascii_iequals(field.name, "proxy-connection")) read_connection(found, field.value);
      break;
    case 17:
      if (ascii_iequals(field.name, "transfer-encoding")) keep(found.transfer, found.transfers);
      if (ascii_iequals(field.name, "transfer_encoding")) found.lookalike = true;
      break;
    default:
      break;
  }
}

bool valid_port(std::string_view digits) {
  const auto port = digits.size() <= 5 ? parse_u64(digits) : std::nullopt;
  return port && *port <= 65535;
}

bool valid_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !name.empty() && name.size() <= 255 && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool valid_ipv6(std::string_view text) {
  in6_addr address;
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

Outcome check_host(const Head& head, const Framers& found) {
  if (found.hosts > 1) return refuse("duplicate_host");
  if (found.hosts == 0) return head.http10 ? Outcome() : refuse("missing_host");
  return valid_host(*found.host) ? Outcome() : refuse("invalid_host");
}

/// The authority of an absolute-form target, or nullopt when it is not one of http or https.
std::optional<std::string_view> authority_of(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!ascii_iequals(target.substr(0, scheme.size()), scheme)) continue;
    const std::string_view rest = target.substr(scheme.size());
    return rest.substr(0, rest.find_first_of("/?"));
  }
  return std::nullopt;
}

Outcome check_target(const Head& head, const Framers& found) {
  if (head.method == "CONNECT") return refuse("bad_target_form");
  if (head.target.starts_with('/')) return std::nullopt;
  if (head.target == "*") return head.method == "OPTIONS" ? Outcome() : refuse("bad_target_form");
  const auto authority = authority_of(head.target);
  if (!authority) return refuse("bad_target_form");
  if (!found.host || !ascii_iequals(*authority, *found.host)) return refuse("target_host_mismatch");
  return std::nullopt;
}

Outcome check_length(Head& head, const Framers& found) {
  const std::string& text = *found.length;
  if (found.lengths > 1) return refuse("duplicate_content_length");
  const auto value = parse_u64(text);
  // A leading zero is a digit to one reader and octal to another.
  const bool plain = value && (text.size() == 1 || text[0] != '0');
  if (!plain || *value > static_cast<std::uint64_t>(INT64_MAX)) return refuse("invalid_content_length");
  head.framing = Framing::length;
  head.content_length = *value;
  return std::nullopt;
}

Outcome check_transfer(Head& head, const Framers& found) {
  if (found.lengths > 0) return refuse("content_length_with_transfer_encoding");
  if (head.http10) return refuse("transfer_encoding_in_http10");
  if (found.transfers > 1) return refuse("duplicate_transfer_encoding");
  if (*found.transfer != "chunked") return refuse("invalid_transfer_encoding");
  head.framing = Framing::chunked;
  return std::nullopt;
}

Outcome check_framing(Head& head, const Framers& found) {
  if (found.lookalike) return refuse("framing_lookalike");
  Outcome outcome;
  if (found.transfers > 0)
    outcome = check_transfer(head, found);
  else if (found.lengths > 0)
    outcome = check_length(head, found);
  return outcome;
}

bool has_body(const Head& head) {
  return head.framing == Framing::chunked || head.content_length > 0;
}

Outcome check_method(const Head& head) {
  const bool bodiless = head.method == "GET" || head.method == "HEAD" || head.method == "TRACE";
  return bodiless && has_body(head) ? refuse("body_not_allowed") : Outcome();
}

Outcome check_expect(Head& head, const Framers& found) {
  // RFC 9110, section 10.1.1: an expectation in HTTP/1.0 is ignored.
  if (found.expects == 0 || head.http10) return std::nullopt;
  if (found.expects > 1 || !ascii_iequals(*found.expect, "100-continue")) {
    return refuse("expectation_failed", 417);
  }
  head.expect_continue = has_body(head);
  return std::nullopt;
}

}  // namespace

bool valid_host(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos || !valid_ipv6(host.substr(1, end - 1))) return false;
    const std::string_view rest = host.substr(end + 1);
    return rest.empty() || (rest[0] == ':' && valid_port(rest.substr(1)));
  }
  const auto colon = host.find(':');
  if (colon != std::string_view::npos && !valid_port(host.substr(colon + 1))) return false;
  return valid_name(host.substr(0, colon));
}

std::optional<Verdict> judge(Head& head) {
  Framers found;
  for (const Header& field : head.headers) note(found, field);
  head.keep_alive = !head.http10 && !found.close;
  Outcome outcome = check_host(head, found);
  if (!outcome) outcome = check_target(head, found);
  if (!outcome) outcome = check_framing(head, found);
  if (!outcome) outcome = check_method(head);
  if (!outcome && found.bad_connection) outcome = refuse("invalid_connection");
  if (!outcome) outcome = check_expect(head, found);
  return outcome;
}

}  // namespace postern::http
