#include "relay/delivery/queue_mode.hpp"

namespace postern::relay {

std::string_view to_text(QueueMode mode) {
  switch (mode) {
    case QueueMode::direct:
      return "direct";
    case QueueMode::draining:
      return "draining";
    case QueueMode::away:
      return "away";
    case QueueMode::app_away:
      return "app_away";
    case QueueMode::disabled:
      return "disabled";
    case QueueMode::broken:
      return "broken";
  }
  return "unknown";
}

std::string_view parking_reason(QueueMode mode) {
  switch (mode) {
    case QueueMode::direct:
    case QueueMode::draining:
      break;
    case QueueMode::away:
      return "agent_away";
    case QueueMode::app_away:
      return "app_away";
    case QueueMode::disabled:
      return "destination_disabled";
    case QueueMode::broken:
      return "breaker_open";
  }
  return "";
}

}  // namespace postern::relay
