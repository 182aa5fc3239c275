#pragma once
#include <boost/json/object.hpp>

#include "agent/inspector/recorder.hpp"

/// Records as the JSON of the inspector's API. Pure. Whatever bytes a request or an answer has, the JSON is
/// valid: text that is not UTF-8 is read as Latin-1, a body that is not is given in base64.
namespace postern::agent::inspector {

/// A line of the list.
boost::json::object summary_json(const Record& record);
/// All that is known of it. `resends`: the records that repeat it, as far as they are kept.
boost::json::object detail_json(const Record& record, const std::deque<Record>& records);
/// What has changed since `revision` (0: everything), the oldest change first.
boost::json::object list_json(const Recorder& recorder, std::uint64_t revision);

}  // namespace postern::agent::inspector
