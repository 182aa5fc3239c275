#include "relay/notify/facts.hpp"
#include "relay/notify/json_read.hpp"

namespace postern::relay {
namespace {

using boost::json::value;
using json_read::text;

std::string subject(const value& body) {
  const std::string repository = text(body, {"/repository/full_name", "/organization/login"});
  const std::string number = text(body, {"/pull_request/number", "/issue/number", "/discussion/number"});
  if (!number.empty()) return repository + "#" + number;
  std::string ref = text(body, {"/release/tag_name", "/ref"});
  for (const std::string_view prefix : {"refs/heads/", "refs/tags/"}) {
    if (ref.starts_with(prefix)) ref.erase(0, prefix.size());
  }
  return ref.empty() ? repository : repository + " " + ref;
}

std::string workflow(const value& body) {
  const std::string name = text(body, {"/workflow_run/name", "/check_run/name", "/check_suite/app/name"});
  const std::string end =
      text(body, {"/workflow_run/conclusion", "/check_run/conclusion", "/check_suite/conclusion"});
  return name.empty() || end.empty() ? name : name + ": " + end;
}

std::string detail(const value& body) {
  std::string title =
      text(body, {"/pull_request/title", "/issue/title", "/discussion/title", "/release/name"});
  if (!title.empty()) return title;
  std::string run = workflow(body);
  return run.empty() ? text(body, {"/head_commit/message", "/zen"}) : run;
}

}  // namespace

Facts github_facts(const value& body) {
  Facts facts;
  facts.customer = text(body, {"/sender/login", "/pusher/name"});
  facts.subject = subject(body);
  facts.detail = detail(body);
  return facts;
}

}  // namespace postern::relay
