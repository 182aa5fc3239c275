#include "relay/notify/facts.hpp"
#include "relay/notify/json_read.hpp"

namespace postern::relay {

Facts slack_facts(const boost::json::value& body) {
  using json_read::text;
  Facts facts;
  facts.customer = text(body, {"/event/user", "/event/user/id", "/event/bot_id"});
  facts.subject = text(body, {"/event/channel", "/event/channel/name", "/event/item/channel", "/team_id"});
  facts.detail = text(body, {"/event/text", "/event/reaction"});
  return facts;
}

}  // namespace postern::relay
