#pragma once
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "control/cli/api_client.hpp"
#include "control/cli/resource.hpp"

/// What the commands do, with everything they touch passed in. Each returns what to print, or why it could
/// not be done.
namespace postern::control {

/// Raw JSON, or text for people.
enum class Form { people, json };

Outcome<std::string> create_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                     const GivenFlags& given, Form form);
Outcome<std::string> list_resource(ApiClient& api, const Resource& resource, std::size_t most, Form form);
Outcome<std::string> show_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                   Form form);
Outcome<std::string> update_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                     const GivenFlags& given, Form form);
Outcome<std::string> delete_resource(ApiClient& api, const Resource& resource, const std::string& name,
                                     Form form);

/// Makes the agent when there is none of that name, then a join token; prints the command to paste.
Outcome<std::string> enroll_agent_command(ApiClient& api, const std::string& name,
                                          const std::vector<std::string>& allow, Form form);
/// `verb`: revoke, rotate or clear-copy.
Outcome<std::string> agent_command(ApiClient& api, const std::string& name, std::string_view verb, Form form);
Outcome<std::string> reset_breaker_command(ApiClient& api, const std::string& name, Form form);

struct EventQuery {
  std::string source, type, status, since, until;
  std::size_t most = 50;
};
Outcome<std::string> list_events_command(ApiClient& api, const EventQuery& query, Form form);
Outcome<std::string> show_event_command(ApiClient& api, const std::string& id, bool body_only, Form form);
Outcome<std::string> replay_event_command(ApiClient& api, const std::string& id,
                                          const std::string& destination, const std::string& configuration,
                                          Form form);
/// What came since the last call, oldest first; the first call only remembers where to start: after the
/// newest event there is, or where the query's `since` says.
class EventTail {
 public:
  EventTail(ApiClient& api, EventQuery query, Form form) : api_(api), query_(std::move(query)), form_(form) {}
  Outcome<std::string> next();
  /// True when more came than one call shows.
  bool cut() const { return cut_; }

 private:
  Outcome<void> begin();
  void advance(const boost::json::object& newest);

  ApiClient& api_;
  EventQuery query_;
  Form form_;
  bool begun_ = false, cut_ = false;
  std::string first_;                        // the newest event at the start, until the first listing
  std::optional<Time> horizon_;              // how far back a listing reaches
  std::set<std::string, std::less<>> seen_;  // what the last listing held
};

/// Runs the programs among `given` on a stored event, or on `body` (text, or @FILE), or on nothing.
Outcome<std::string> test_route_command(ApiClient& api, const Resource& routes, const GivenFlags& given,
                                        const std::string& event, const std::string& body, Form form);

struct DeliveryQuery {
  std::string event{}, destination{}, state{}, source{}, type{}, reason{}, since{}, until{}, replay{};
  std::size_t most = 50;
};
/// Dead and cancelled ones, counted by reason.
Outcome<std::string> delivery_reasons_command(ApiClient& api, const DeliveryQuery& query, Form form);
Outcome<std::string> list_deliveries_command(ApiClient& api, const DeliveryQuery& query, Form form);
Outcome<std::string> show_delivery_command(ApiClient& api, const std::string& id, Form form);
Outcome<std::string> retry_delivery_command(ApiClient& api, const std::string& id, Form form);

Outcome<std::string> list_audit_command(ApiClient& api, std::size_t most, Form form);

}  // namespace postern::control
