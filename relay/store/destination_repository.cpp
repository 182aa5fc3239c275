#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kColumns =
    "id, workspace_id, name, kind, url, url_sealed, agent_id, signing_secret_sealed, timeout, "
    "retry_schedule, "
    "final_statuses, concurrency, enabled, disabled_reason, created_at, updated_at, subject, event_map, "
    "rate_per_second, rate_burst, ordering, breaker, ordering_key";

std::string url_place(DestinationId id) {
  return "destination.url/" + id.to_string();
}
std::string signing_place(DestinationId id) {
  return "destination.signing_secret/" + id.to_string();
}

template <class Numbers>
std::vector<std::int64_t> widened(const Numbers& numbers) {
  std::vector<std::int64_t> wide;
  for (const auto number : numbers) {
    if constexpr (requires { number.count(); })
      wide.push_back(number.count());
    else
      wide.push_back(number);
  }
  return wide;
}

template <class Number>
std::vector<Number> numbers_at(const Row& row, int column) {
  const auto numbers = unpack_numbers(row.text(column));
  if (!numbers) throw StoreFault(fmt::format("column {} holds no list of numbers", column));
  std::vector<Number> out;
  for (const std::int64_t number : *numbers) out.push_back(static_cast<Number>(number));
  return out;
}

std::string pack_breaker(const BreakerPolicy& it) {
  if (it == BreakerPolicy{}) return "";
  return pack_numbers({it.enabled, it.failure_percent, it.least_attempts, it.failures_in_a_row,
                       it.window.count(), it.open_first.count(), it.open_most.count(), it.probes});
}

BreakerPolicy breaker_at(const Row& row, int column) {
  if (row.text(column).empty()) return {};
  const auto numbers = unpack_numbers(row.text(column));
  if (!numbers || numbers->size() != 8) throw StoreFault(fmt::format("column {} holds no breaker", column));
  const auto count = [&](std::size_t i) { return static_cast<unsigned>((*numbers)[i]); };
  return {.enabled = (*numbers)[0] != 0,
          .failure_percent = count(1),
          .least_attempts = count(2),
          .failures_in_a_row = count(3),
          .window = Duration((*numbers)[4]),
          .open_first = Duration((*numbers)[5]),
          .open_most = Duration((*numbers)[6]),
          .probes = count(7)};
}

/// In the order of kColumns.
std::vector<Value> values_of(const Destination& it, const Keyring& keyring) {
  const bool url_is_secret = it.kind == DestinationKind::slack;
  Value url_sealed = nullptr;
  if (url_is_secret) url_sealed = Blob{keyring.seal(it.workspace_id, it.url, url_place(it.id))};
  Value signing = nullptr;
  if (!it.signing_secret.empty()) {
    signing = Blob{keyring.seal(it.workspace_id, it.signing_secret, signing_place(it.id))};
  }
  return {rows::id(it.id),
          rows::id(it.workspace_id),
          it.name,
          rows::number(it.kind),
          url_is_secret ? std::string() : it.url,
          std::move(url_sealed),
          rows::id(it.agent_id),
          std::move(signing),
          it.timeout.count(),
          pack_numbers(widened(it.retry_schedule)),
          pack_numbers(widened(it.final_statuses)),
          std::int64_t{it.concurrency},
          std::int64_t{it.enabled},
          it.disabled_reason,
          rows::time(it.created_at),
          rows::time(it.updated_at),
          it.subject,
          it.event_map,
          std::int64_t{it.rate_per_second},
          std::int64_t{it.rate_burst},
          rows::number(it.ordering),
          pack_breaker(it.breaker),
          it.ordering_key};
}

Destination destination_at(const Row& row, const Keyring& keyring) {
  Destination it;
  it.id = rows::id_at<DestinationId>(row, 0);
  it.workspace_id = rows::id_at<WorkspaceId>(row, 1);
  it.name = rows::text_at(row, 2);
  it.kind = rows::enum_at(row, 3, DestinationKind::nats);
  it.url = row.is_null(5) ? rows::text_at(row, 4)
                          : must_open(keyring, it.workspace_id, row.blob(5), url_place(it.id));
  if (!row.is_null(6)) it.agent_id = rows::id_at<AgentId>(row, 6);
  if (!row.is_null(7))
    it.signing_secret = must_open(keyring, it.workspace_id, row.blob(7), signing_place(it.id));
  it.timeout = rows::duration_at(row, 8);
  it.retry_schedule = numbers_at<Duration>(row, 9);
  it.final_statuses = numbers_at<int>(row, 10);
  it.concurrency = static_cast<unsigned>(row.integer(11));
  it.enabled = row.integer(12) != 0;
  it.disabled_reason = rows::text_at(row, 13);
  it.created_at = rows::time_at(row, 14);
  it.updated_at = rows::time_at(row, 15);
  it.subject = rows::text_at(row, 16);
  it.event_map = rows::text_at(row, 17);
  it.rate_per_second = static_cast<std::uint32_t>(row.integer(18));
  it.rate_burst = static_cast<std::uint32_t>(row.integer(19));
  it.ordering = rows::enum_at(row, 20, Ordering::key);
  it.breaker = breaker_at(row, 21);
  it.ordering_key = rows::text_at(row, 22);
  return it;
}

/// The foreign key alone would accept another workspace's agent.
bool agent_is_ours(Transaction& tx, const Destination& it) {
  return !it.agent_id || exists(tx, "SELECT 1 FROM agent WHERE id = ?1 AND workspace_id = ?2",
                                {rows::id(*it.agent_id), rows::id(it.workspace_id)});
}

}  // namespace

Result<void> DestinationRepository::create(const Destination& destination) {
  if (!agent_is_ours(tx_, destination)) return std::unexpected(not_found("agent"));
  auto made =
      tx_.execute(fmt::format("INSERT INTO destination ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                              "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
                              kColumns),
                  values_of(destination, keyring_));
  if (!made) return std::unexpected(name_taken("destination"));
  return {};
}

Result<void> DestinationRepository::update(const Destination& destination) {
  if (!agent_is_ours(tx_, destination)) return std::unexpected(not_found("agent"));
  auto values = values_of(destination, keyring_);
  values.erase(values.begin() + 14);  // created_at stays; its place is updated_at's
  auto changed = tx_.execute(
      "UPDATE destination SET name = ?3, kind = ?4, url = ?5, url_sealed = ?6, agent_id = ?7, "
      "signing_secret_sealed = ?8, timeout = ?9, retry_schedule = ?10, final_statuses = ?11, concurrency = "
      "?12, "
      "enabled = ?13, disabled_reason = ?14, updated_at = ?15, subject = ?16, event_map = ?17, "
      "rate_per_second = ?18, rate_burst = ?19, ordering = ?20, breaker = ?21, ordering_key = ?22 "
      "WHERE id = ?1 AND workspace_id = ?2",
      values);
  if (!changed) return std::unexpected(name_taken("destination"));
  if (*changed == 0) return std::unexpected(not_found("destination"));
  return {};
}

Result<void> DestinationRepository::remove(WorkspaceId workspace, DestinationId id, Time now) {
  auto gone = tx_.execute("DELETE FROM destination WHERE id = ?1 AND workspace_id = ?2",
                          {rows::id(id), rows::id(workspace)});
  if (!gone) return std::unexpected(gone.error());
  if (*gone == 0) return std::unexpected(not_found("destination"));
  // One statement for each partial index: pending, leased, parked.
  for (const int state : {0, 1, 2}) {
    auto cancelled = tx_.execute(
        fmt::format("UPDATE delivery SET state = 5, reason = 'destination_deleted', updated_at = ?2 "
                    "WHERE destination_id = ?1 AND state = {}",
                    state),
        {rows::id(id), rows::time(now)});
    if (!cancelled) return std::unexpected(cancelled.error());
  }
  return {};
}

Result<Destination> DestinationRepository::get(WorkspaceId workspace, DestinationId id) {
  auto found = find_one<Destination>(
      tx_, fmt::format("SELECT {} FROM destination WHERE id = ?1 AND workspace_id = ?2", kColumns),
      {rows::id(id), rows::id(workspace)}, [&](const Row& row) { return destination_at(row, keyring_); });
  if (!found) return std::unexpected(not_found("destination"));
  return std::move(*found);
}

Listing<Destination> DestinationRepository::list(WorkspaceId workspace, const Page& page) {
  return list_by_id<Destination>(
      tx_,
      fmt::format("SELECT {} FROM destination WHERE workspace_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
                  kColumns),
      workspace, page, [&](const Row& row) { return destination_at(row, keyring_); });
}

std::vector<Destination> DestinationRepository::all() {
  std::vector<Destination> found;
  tx_.query(fmt::format("SELECT {} FROM destination ORDER BY id", kColumns), {},
            [&](const Row& row) { found.push_back(destination_at(row, keyring_)); });
  return found;
}

}  // namespace postern::relay
