#pragma once
#include "relay/model.hpp"
#include "relay/store/database.hpp"
#include "relay/store/packing.hpp"

/// How rows become values and back, shared by the repositories and the hot statements. `R` is a Row or an
/// engine's own statement: both answer integer(), text(), blob() and is_null().
namespace postern::relay::rows {

template <class IdType>
Blob id(const IdType& value) {
  return Blob{std::string(value.bytes())};
}
template <class IdType>
Value id(const std::optional<IdType>& value) {
  return value ? Value(Blob{std::string(value->bytes())}) : Value(nullptr);
}
inline std::int64_t time(Time value) {
  return to_micros(value);
}
template <class Enum>
std::int64_t number(Enum value) {
  return static_cast<std::int64_t>(value);
}

template <class IdType, class R>
IdType id_at(const R& row, int column) {
  const auto found = IdType::from_bytes(row.blob(column));
  if (!found) throw StoreFault(fmt::format("column {} holds no id", column));
  return *found;
}
template <class R>
Time time_at(const R& row, int column) {
  return from_micros(row.integer(column));
}
template <class R>
Duration duration_at(const R& row, int column) {
  return Duration(row.integer(column));
}
template <class R>
std::string text_at(const R& row, int column) {
  return std::string(row.text(column));
}
template <class R>
std::string blob_at(const R& row, int column) {
  return std::string(row.blob(column));
}

/// `last` is the last enumerator.
template <class Enum, class R>
Enum enum_at(const R& row, int column, Enum last) {
  const std::int64_t found = row.integer(column);
  if (found < 0 || found > static_cast<std::int64_t>(last)) {
    throw StoreFault(fmt::format("column {} holds no known state: {}", column, found));
  }
  return static_cast<Enum>(found);
}

template <class R>
http::Headers headers_at(const R& row, int column) {
  auto headers = unpack_headers(row.blob(column));
  if (!headers) throw StoreFault(fmt::format("column {} holds no headers", column));
  return std::move(*headers);
}

inline constexpr std::string_view kEventColumns =
    "e.id, e.workspace_id, e.source_id, e.received_at, e.verified, e.type, e.dedupe_key, e.method, e.target, "
    "e.peer, "
    "e.headers, e.body, e.body_expired";
inline constexpr int kEventWidth = 13;

template <class R>
Event event_at(const R& row, int first) {
  Event event;
  event.id = id_at<EventId>(row, first);
  event.workspace_id = id_at<WorkspaceId>(row, first + 1);
  event.source_id = id_at<SourceId>(row, first + 2);
  event.received_at = time_at(row, first + 3);
  event.verified = row.integer(first + 4) != 0;
  event.type = text_at(row, first + 5);
  event.dedupe_key = blob_at(row, first + 6);
  event.method = text_at(row, first + 7);
  event.target = blob_at(row, first + 8);
  event.peer = text_at(row, first + 9);
  event.headers = headers_at(row, first + 10);
  event.body = blob_at(row, first + 11);
  event.body_expired = row.integer(first + 12) != 0;
  return event;
}

/// The event's id comes from its own row: `delivery d JOIN event e ON e.row = d.event_row`.
inline constexpr std::string_view kDeliveryColumns =
    "d.id, d.workspace_id, e.id, d.source_id, d.destination_id, d.state, d.reason, d.attempt_count, "
    "d.next_at, "
    "d.replay_of, d.created_at, d.updated_at, length(d.payload)";
inline constexpr int kDeliveryWidth = 13;

template <class R>
Delivery delivery_at(const R& row, int first) {
  Delivery delivery;
  delivery.id = id_at<DeliveryId>(row, first);
  delivery.workspace_id = id_at<WorkspaceId>(row, first + 1);
  delivery.event_id = id_at<EventId>(row, first + 2);
  delivery.source_id = id_at<SourceId>(row, first + 3);
  delivery.destination_id = id_at<DestinationId>(row, first + 4);
  delivery.state = enum_at(row, first + 5, DeliveryState::cancelled);
  delivery.reason = text_at(row, first + 6);
  delivery.attempt_count = static_cast<unsigned>(row.integer(first + 7));
  delivery.next_at = time_at(row, first + 8);
  if (!row.is_null(first + 9)) delivery.replay_of = id_at<DeliveryId>(row, first + 9);
  delivery.created_at = time_at(row, first + 10);
  delivery.updated_at = time_at(row, first + 11);
  if (!row.is_null(first + 12)) delivery.payload_bytes = static_cast<std::uint64_t>(row.integer(first + 12));
  return delivery;
}

/// Of the columns `payload, payload_headers`: null when the event's own bytes are sent.
template <class R>
std::shared_ptr<const Payload> payload_at(const R& row, int first) {
  if (row.is_null(first)) return nullptr;
  return std::make_shared<const Payload>(blob_at(row, first), headers_at(row, first + 1));
}

/// delivery.answered after this attempt, if it is higher: its number when it was answered with a status.
inline std::int64_t answered_attempt(const Attempt& attempt) {
  const bool answered = attempt.outcome == Outcome::delivered || attempt.outcome == Outcome::rejected;
  return answered ? std::int64_t{attempt.number} : 0;
}

/// attempt.row: the tries of one delivery lie side by side. Past the last number the latest try replaces the
/// one before it, rather than run into the next delivery.
inline constexpr std::int64_t kAttemptNumbers = 65'536;
inline std::int64_t attempt_row(std::int64_t delivery_row, unsigned number) {
  return delivery_row * kAttemptNumbers + std::min<std::int64_t>(number, kAttemptNumbers - 1);
}

}  // namespace postern::relay::rows
