#include "relay/store/postgres/doubtful_leases.hpp"

#include "base/log.hpp"
#include "relay/store/lease_token.hpp"

namespace postern::relay {
namespace {

/// A process of that number that is not one of ours is another one.
bool still_there(pg::Connection& connection, int backend) {
  const pg::Params params = std::move(pg::Params().add(backend));
  return connection
             .run("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND application_name LIKE 'postern %'",
                  params)
             .size() > 0;
}

}  // namespace

void DoubtfulLeases::add(int backend, int node, std::vector<std::int64_t> rows) {
  if (rows.empty()) return;
  const std::lock_guard lock(mutex_);
  entries_.push_back({backend, node, std::move(rows)});
}

bool DoubtfulLeases::any() const {
  const std::lock_guard lock(mutex_);
  return !entries_.empty();
}

std::size_t DoubtfulLeases::settle(pg::Connection& connection) {
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    entries.swap(entries_);
  }
  std::size_t released = 0;
  for (auto it = entries.begin(); it != entries.end(); ++it) {
    try {
      if (still_there(connection, it->backend)) {
        add(it->backend, it->node, std::move(it->rows));
        continue;
      }
      pg::Array rows(pg::Type::int8);
      for (const std::int64_t row : it->rows) rows.add(row);
      const pg::Params params = std::move(pg::Params().add(std::move(rows)).add(it->node));
      static const std::string kSql = fmt::format(
          "UPDATE delivery SET state = 0, reason = 'commit_unknown', lease = (lease + 1) & {} "
          "WHERE row = ANY($1::int8[]) AND state = 1 AND lease_node = $2",
          LeaseToken::kLeaseMask);
      released += static_cast<std::size_t>(connection.run(kSql, params).changed());
    } catch (...) {
      for (; it != entries.end(); ++it) add(it->backend, it->node, std::move(it->rows));
      throw;
    }
  }
  if (released > 0) log::info("store.doubtful_leases_settled", {{"deliveries", released}});
  return released;
}

}  // namespace postern::relay
