#include "relay/routing/event_input.hpp"

#include <boost/json.hpp>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;

json::string text(std::string_view bytes) {
  if (is_utf8(bytes)) return json::string(bytes);
  json::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xC0 | (byte >> 6)));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3F)));
    }
  }
  return out;
}

/// One value as it is, several as an array.
void add(json::object& object, std::string_view name, json::string value) {
  json::value& place = object[text(name)];
  if (place.is_null()) {
    place = std::move(value);
    return;
  }
  if (!place.is_array()) {
    json::array several;
    several.push_back(std::move(place));
    place = std::move(several);
  }
  place.get_array().push_back(std::move(value));
}

std::string decoded(std::string_view escaped) {
  std::string value(escaped);
  std::ranges::replace(value, '+', ' ');
  return http::percent_decode(value).value_or(value);
}

/// a=1&b=2, of a query or a form.
json::object pairs(std::string_view rest) {
  json::object out;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    add(out, decoded(pair.substr(0, equals)), text(decoded(pair.substr(std::min(equals + 1, pair.size())))));
  }
  return out;
}

json::object headers_of(const Event& event) {
  json::object out;
  for (const http::Header& header : event.headers) add(out, ascii_lower(header.name), text(header.value));
  return out;
}

bool is_form(const Event& event) {
  const std::string* const type = http::find_header(event.headers, "Content-Type");
  return type != nullptr &&
         ascii_iequals(type->substr(0, type->find(';')), "application/x-www-form-urlencoded");
}

}  // namespace

std::string event_input(const Event& event, std::string_view provider, std::string_view source) {
  const auto mark = event.target.find('?');
  const std::string_view query =
      mark == std::string::npos ? std::string_view() : std::string_view(event.target).substr(mark + 1);
  json::object input{{"headers", headers_of(event)},
                     {"query", pairs(query)},
                     {"method", text(event.method)},
                     {"event",
                      {{"id", event.id.to_string()},
                       {"type", text(event.type)},
                       {"provider", text(provider)},
                       {"source", text(source)},
                       {"received_at", to_rfc3339(event.received_at)},
                       {"verified", event.verified}}}};
  if (is_form(event)) input["form"] = pairs(event.body);
  return json::serialize(input);
}

}  // namespace postern::relay
