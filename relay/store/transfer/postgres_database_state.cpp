// PostgresTarget: the database as a whole, before the rows and after them.
#include "relay/store/postgres/lock_numbers.hpp"
#include "relay/store/transfer/postgres_target.hpp"

namespace postern::relay::transfer {
namespace {

using pg::Params;

constexpr std::int64_t kNumbersOfBlock = 4'096;  // as in RowNumbers
constexpr std::int64_t kPage = 20'000;           // events of one answer
constexpr int kCountMost = 100'000;  // for the message to a person; beyond it an exact number says no more

std::int64_t number(pg::Connection& connection, const std::string& sql) {
  return connection.run(sql).integer(0, 0);
}

std::string all_tables() {
  std::string list = "event_duplicate, dedupe";
  for (const Table& table : tables()) list += fmt::format(", {}", table.name);
  return list;
}

std::string without_mark(const Table& table) {
  return table.name == "store_setting" ? fmt::format(" WHERE name <> '{}'", kUnfinishedSetting)
                                       : std::string();
}

/// "workspace 1, event 3"; empty for an empty database.
std::string contents(pg::Connection& connection) {
  std::string list;
  for (const Table& table : tables()) {
    const std::int64_t rows =
        number(connection,
               fmt::format("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {}) t", table.name, kCountMost));
    if (rows == 0) continue;
    list += fmt::format("{}{} {}{}", list.empty() ? "" : ", ", table.name,
                        rows == kCountMost ? "at least " : "", rows);
  }
  return list;
}

}  // namespace

bool PostgresTarget::unfinished() {
  return number(connection_,
                fmt::format("SELECT count(*) FROM store_setting WHERE name = '{}'", kUnfinishedSetting)) > 0;
}

Result<void> PostgresTarget::check_empty() {
  if (number(connection_, fmt::format("SELECT pg_try_advisory_lock({})", pg::kImportLock)) == 0)
    return fail("import_running", "Another import into this database is under way: wait for it, or stop it.");
  if (number(connection_, "SELECT count(*) FROM node WHERE buried_at IS NULL AND lease_until > now()") > 0)
    return fail("relay_running",
                "A relay runs on this database: stop it first. An import only goes into a "
                "database that has never been served.");
  if (unfinished()) return {};
  const std::string found = contents(connection_);
  if (found.empty()) return {};
  return fail(
      "database_not_empty",
      fmt::format("The database is not empty; it has: {}. An import only goes into a new one, so that "
                  "nothing is mixed or overwritten: make another (CREATE DATABASE), and do not serve it "
                  "before the import.",
                  found));
}

void PostgresTarget::start() {
  if (unfinished()) connection_.script(fmt::format("TRUNCATE {} CASCADE", all_tables()));
  connection_.run(
      fmt::format("INSERT INTO store_setting (name, value) VALUES ('{}', '') ON CONFLICT DO NOTHING",
                  kUnfinishedSetting));
  for (Sender& sender : senders_) sender.connection->script("SET synchronous_commit = off");
}

Counts PostgresTarget::count() {
  Counts counts;
  for (const Table& table : tables()) {
    counts.push_back(static_cast<std::uint64_t>(
        number(connection_, fmt::format("SELECT count(*) FROM {}{}", table.name, without_mark(table)))));
  }
  return counts;
}

/// Bodies stay where they are: the server makes their digests.
EventDigest PostgresTarget::digest() {
  EventDigest digest;
  std::int64_t after = 0;
  while (true) {
    const Params params = std::move(Params().add(after).add(kPage));
    const pg::Rows rows = connection_.run(
        "SELECT row, id, sha256(body), sha256(headers), sha256(target) FROM event WHERE row > $1 ORDER BY "
        "row "
        "LIMIT $2",
        params);
    for (std::size_t i = 0; i < rows.size(); ++i)
      digest.add_digests(rows.bytes(i, 1), rows.bytes(i, 2), rows.bytes(i, 3), rows.bytes(i, 4));
    if (rows.size() == 0) return digest;
    after = rows.integer(rows.size() - 1, 0);
  }
}

/// The mark goes with a commit that waits for the disk, and with it for all that was written before it.
void PostgresTarget::finish() {
  connection_.script("SET synchronous_commit = on");
  const Params block = std::move(Params().add(highest_ / kNumbersOfBlock + 1));
  const Params mark = std::move(Params().add_text(kUnfinishedSetting));
  const pg::Statement statements[] = {{"BEGIN"},
                                      {"SELECT setval('row_block', $1)", &block},
                                      {"DELETE FROM store_setting WHERE name = $1", &mark},
                                      {"COMMIT"}};
  connection_.pipeline(statements);
  connection_.script(fmt::format("ANALYZE {}", all_tables()));
}

}  // namespace postern::relay::transfer
