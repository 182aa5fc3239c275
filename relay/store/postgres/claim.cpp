#include "relay/store/postgres/claim.hpp"

#include <algorithm>
#include <unordered_map>

#include "relay/store/lease_token.hpp"
#include "relay/store/rows.hpp"

namespace postern::relay::pg {
namespace {

constexpr std::size_t kClaimBytes = 64ULL << 20;

std::string lease_sql() {
  return fmt::format(
      "UPDATE delivery d SET state = 1, reason = '', lease = (d.lease + 1) & {}, lease_node = $2, updated_at "
      "= $3 "
      "FROM event e WHERE d.row = ANY ($1::int8[]) AND e.row = d.event_row "
      "RETURNING d.row, d.lease, d.tries, d.event_row, d.payload, d.payload_headers, d.crashes, d.order_key, "
      "d.answered, {}",
      LeaseToken::kLeaseMask, rows::kDeliveryColumns);
}

std::string events_sql() {
  return fmt::format("SELECT e.row, {} FROM event e WHERE e.row = ANY ($1::int8[])", rows::kEventColumns);
}

Array int8s(const std::vector<std::int64_t>& numbers) {
  Array array(Type::int8);
  for (const std::int64_t number : numbers) array.add(number);
  return array;
}

std::unordered_map<std::int64_t, std::shared_ptr<const Event>> events_at(const Rows& rows) {
  std::unordered_map<std::int64_t, std::shared_ptr<const Event>> events;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ResultRow row(rows, i);
    events.emplace(row.integer(0), std::make_shared<const Event>(rows::event_at(row, 1)));
  }
  return events;
}

std::vector<LeasedDelivery> leased_at(const Rows& updated, const Rows& event_rows,
                                      const std::vector<std::int64_t>& order) {
  const auto events = events_at(event_rows);
  std::unordered_map<std::int64_t, LeasedDelivery> by_row;
  for (std::size_t i = 0; i < updated.size(); ++i) {
    const ResultRow row(updated, i);
    LeasedDelivery leased;
    leased.lease_token = LeaseToken{row.integer(0), row.integer(1)}.pack();
    leased.tries = static_cast<unsigned>(row.integer(2));
    leased.event = events.at(row.integer(3));
    leased.payload = rows::payload_at(row, 4);
    leased.crashes = static_cast<unsigned>(row.integer(6));
    leased.order_key = row.integer(7);
    leased.answered = static_cast<unsigned>(row.integer(8));
    leased.delivery = rows::delivery_at(row, 9);
    by_row.emplace(row.integer(0), std::move(leased));
  }
  std::vector<LeasedDelivery> claimed;
  for (const std::int64_t row : order) {
    const auto found = by_row.find(row);
    if (found != by_row.end()) claimed.push_back(std::move(found->second));
  }
  return claimed;
}

}  // namespace

bool Found::add(std::int64_t row, std::int64_t event, std::int64_t bytes) {
  if (bytes_ >= kClaimBytes) {
    cut = true;
    return false;
  }
  bytes_ += static_cast<std::size_t>(bytes) + 1024;
  rows.push_back(row);
  events.push_back(event);
  return true;
}

std::vector<LeasedDelivery> Claim::run(Connection& connection, const Search& search, int node, Time now) {
  found = search(connection);
  if (found.rows.empty()) {
    connection.run("COMMIT");
    return {};
  }
  std::ranges::sort(found.events);
  found.events.erase(std::ranges::unique(found.events).begin(), found.events.end());
  static const std::string kLease = lease_sql();
  static const std::string kEvents = events_sql();
  const Params lease = std::move(Params().add(int8s(found.rows)).add(node).add(to_micros(now)));
  const Params events = std::move(Params().add(int8s(found.events)));
  committing = true;
  const Statement take[] = {{kLease, &lease}, {kEvents, &events}, {"COMMIT"}};
  const auto answers = connection.pipeline(take);
  return leased_at(answers[0], answers[1], found.rows);
}

}  // namespace postern::relay::pg
