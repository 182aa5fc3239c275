#pragma once
#include "agent/inspector/recorder.hpp"

namespace postern::agent::inspector {

inline tunnel::DeliverHead some_delivery(std::string target = "/hooks") {
  tunnel::DeliverHead head;
  head.deadline = std::chrono::seconds(5);
  head.host = "localhost";
  head.port = 8000;
  head.method = "POST";
  head.target = std::move(target);
  head.headers = {{"Content-Type", "application/json"}, {"Postern-Delivery-Id", "dlv_1"}};
  return head;
}

inline tunnel::ResultHead some_result(int status = 200) {
  tunnel::ResultHead head;
  head.outcome = tunnel::ResultOutcome::delivered;
  head.status = status;
  head.headers = {{"X-App", "yes"}};
  head.total = std::chrono::milliseconds(12);
  return head;
}

}  // namespace postern::agent::inspector
