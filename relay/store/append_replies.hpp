#pragma once
#include <vector>

#include "relay/store/event_log.hpp"

namespace postern::relay {

/// The answer to one append, for the loop that asked.
struct AppendReply {
  boost::asio::any_io_executor reply_on;
  EventLog::AppendDone done;
  Result<Appended> outcome;
};

/// One post for each loop: a post takes a lock and wakes a thread.
void post_replies(std::vector<AppendReply> replies);

}  // namespace postern::relay
