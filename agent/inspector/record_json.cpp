#include "agent/inspector/record_json.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <vector>

#include "base/bytes.hpp"

namespace postern::agent::inspector {
namespace {

namespace json = boost::json;

/// Latin-1 is what HTTP's fields were, and has a character for every byte.
std::string readable(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

double milliseconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}

json::array headers_json(const http::Headers& headers) {
  json::array out;
  for (const auto& header : headers)
    out.push_back(json::array{readable(header.name), readable(header.value)});
  return out;
}

/// What may have been cut within a character is not text any more by that alone.
std::string_view without_torn_end(const KeptBody& body) {
  std::string_view bytes = body.bytes;
  if (body.is_whole()) return bytes;
  for (int cut = 0; cut < 3 && !bytes.empty() && !is_utf8(bytes); ++cut) bytes.remove_suffix(1);
  return bytes;
}

json::object body_json(const KeptBody& body, bool truncated) {
  json::object out{{"size", body.size}, {"kept", body.bytes.size()}, {"truncated", truncated}};
  const std::string_view text = without_torn_end(body);
  if (is_utf8(text)) {
    out["text"] = text;
  } else {
    out["base64"] = base64_encode(body.bytes);
  }
  return out;
}

json::object request_json(const Record& record) {
  const tunnel::DeliverHead& head = record.request;
  json::object out{{"method", readable(head.method)},
                   {"target", readable(head.target)},
                   {"app", readable(app_of(head))},
                   {"tls", head.tls},
                   {"headers", headers_json(head.headers)}};
  out["body"] = record.request_body ? json::value(body_json(*record.request_body, false)) : nullptr;
  return out;
}

json::value response_json(const Record& record) {
  if (!record.result || record.result->outcome != tunnel::ResultOutcome::delivered) return nullptr;
  return json::object{{"status", record.result->status},
                      {"headers", headers_json(record.result->headers)},
                      {"body", body_json(record.response_body, record.result->truncated)}};
}

json::value error_json(const Record& record) {
  if (!record.result || record.result->error_code.empty()) return nullptr;
  return json::object{{"code", readable(record.result->error_code)},
                      {"message", readable(record.result->error_message)}};
}

json::value timings_json(const Record& record) {
  if (!record.result) return nullptr;
  const tunnel::ResultHead& head = *record.result;
  return json::object{{"connect_ms", milliseconds(head.connect)},
                      {"tls_ms", milliseconds(head.tls)},
                      {"first_byte_ms", milliseconds(head.first_byte)},
                      {"total_ms", milliseconds(head.total)}};
}

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : nullptr;
}

}  // namespace

json::object summary_json(const Record& record) {
  const tunnel::DeliverHead& head = record.request;
  json::object out{{"number", record.number},         {"revision", record.revision},
                   {"at", to_rfc3339(record.at)},     {"delivery_id", head.delivery_id.to_string()},
                   {"attempt", head.attempt},         {"method", readable(head.method)},
                   {"target", readable(head.target)}, {"app", readable(app_of(head))},
                   {"state", state_of(record)},       {"resend_of", or_null(record.resend_of)}};
  const bool answered = record.result && record.result->outcome == tunnel::ResultOutcome::delivered;
  out["status"] = answered ? json::value(record.result->status) : nullptr;
  out["error_code"] = record.result && !record.result->error_code.empty()
                          ? json::value(readable(record.result->error_code))
                          : nullptr;
  out["took_ms"] = record.took ? json::value(milliseconds(*record.took)) : nullptr;
  return out;
}

json::object detail_json(const Record& record, const std::deque<Record>& records) {
  json::object out = summary_json(record);
  out["request"] = request_json(record);
  out["response"] = response_json(record);
  out["error"] = error_json(record);
  out["timings"] = timings_json(record);
  json::array resends;
  for (const Record& other : records)
    if (other.resend_of == record.number) resends.push_back(other.number);
  out["resends"] = std::move(resends);
  return out;
}

json::object list_json(const Recorder& recorder, std::uint64_t revision) {
  std::vector<const Record*> changed;
  for (const Record& record : recorder.records())
    if (record.revision > revision) changed.push_back(&record);
  std::ranges::sort(changed, {}, &Record::revision);
  json::array items;
  for (const Record* record : changed) items.push_back(summary_json(*record));
  const auto& records = recorder.records();
  return json::object{
      {"revision", recorder.revision()},
      {"oldest", records.empty() ? json::value(nullptr) : json::value(records.front().number)},
      {"deliveries", std::move(items)}};
}

}  // namespace postern::agent::inspector
