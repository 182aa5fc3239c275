#include "relay/notify/facts.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

namespace postern::relay {
namespace {

namespace json = boost::json;

Facts from_json(std::string_view provider, std::string_view type, const json::value& body) {
  if (provider == "stripe") return stripe_facts(body, type);
  if (provider == "shopify") return shopify_facts(body);
  if (provider == "github") return github_facts(body);
  return provider == "slack" ? slack_facts(body) : Facts();
}

}  // namespace

Facts extract_facts(std::string_view provider, const Event& event) {
  if (event.body.size() > kMostFactBytes) return {};
  if (provider == "chargify") return chargify_facts(event.body);
  json::monotonic_resource memory;
  boost::system::error_code error;
  const json::value body = json::parse(event.body, error, &memory);
  return error ? Facts() : from_json(provider, event.type, body);
}

std::string person(std::string name, std::string email) {
  if (name.empty()) return email;
  if (email.empty() || email == name) return name;
  return name + " (" + email + ")";
}

}  // namespace postern::relay
