#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kColumns =
    "id, workspace_id, name, provider, scheme_json, secrets_sealed, unsigned_ok, enabled, body_limit_bytes, "
    "dedupe_window, created_at, updated_at, rate_per_second, rate_burst";

std::string place_of(SourceId id) {
  return "source.secrets/" + id.to_string();
}

Blob sealed_secrets(const Source& source, const Keyring& keyring) {
  return Blob{keyring.seal(source.workspace_id, pack_strings(source.secrets), place_of(source.id))};
}

Source source_at(const Row& row, const Keyring& keyring) {
  Source source;
  source.id = rows::id_at<SourceId>(row, 0);
  source.workspace_id = rows::id_at<WorkspaceId>(row, 1);
  source.name = rows::text_at(row, 2);
  source.provider = rows::text_at(row, 3);
  source.scheme_json = rows::text_at(row, 4);
  auto secrets = unpack_strings(must_open(keyring, source.workspace_id, row.blob(5), place_of(source.id)));
  if (!secrets) throw StoreFault("a source's secrets are no list");
  source.secrets = std::move(*secrets);
  source.unsigned_ok = row.integer(6) != 0;
  source.enabled = row.integer(7) != 0;
  source.body_limit_bytes = static_cast<std::uint64_t>(row.integer(8));
  source.dedupe_window = rows::duration_at(row, 9);
  source.created_at = rows::time_at(row, 10);
  source.updated_at = rows::time_at(row, 11);
  source.rate_per_second = static_cast<std::uint32_t>(row.integer(12));
  source.rate_burst = static_cast<std::uint32_t>(row.integer(13));
  return source;
}

}  // namespace

Result<void> SourceRepository::create(const Source& source) {
  auto made = tx_.execute(
      fmt::format(
          "INSERT INTO source ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
          kColumns),
      {rows::id(source.id), rows::id(source.workspace_id), source.name, source.provider, source.scheme_json,
       sealed_secrets(source, keyring_), std::int64_t{source.unsigned_ok}, std::int64_t{source.enabled},
       static_cast<std::int64_t>(source.body_limit_bytes), source.dedupe_window.count(),
       rows::time(source.created_at), rows::time(source.updated_at), std::int64_t{source.rate_per_second},
       std::int64_t{source.rate_burst}});
  if (!made) return std::unexpected(name_taken("source"));
  return {};
}

Result<void> SourceRepository::update(const Source& source) {
  auto changed = tx_.execute(
      "UPDATE source SET name = ?3, provider = ?4, scheme_json = ?5, secrets_sealed = ?6, unsigned_ok = ?7, "
      "enabled = ?8, body_limit_bytes = ?9, dedupe_window = ?10, updated_at = ?11, rate_per_second = ?12, "
      "rate_burst = ?13 WHERE id = ?1 AND "
      "workspace_id = ?2",
      {rows::id(source.id), rows::id(source.workspace_id), source.name, source.provider, source.scheme_json,
       sealed_secrets(source, keyring_), std::int64_t{source.unsigned_ok}, std::int64_t{source.enabled},
       static_cast<std::int64_t>(source.body_limit_bytes), source.dedupe_window.count(),
       rows::time(source.updated_at), std::int64_t{source.rate_per_second}, std::int64_t{source.rate_burst}});
  if (!changed) return std::unexpected(name_taken("source"));
  if (*changed == 0) return std::unexpected(not_found("source"));
  return {};
}

Result<void> SourceRepository::remove(WorkspaceId workspace, SourceId id) {
  auto gone = tx_.execute("DELETE FROM source WHERE id = ?1 AND workspace_id = ?2",
                          {rows::id(id), rows::id(workspace)});
  if (!gone) return std::unexpected(gone.error());
  if (*gone == 0) return std::unexpected(not_found("source"));
  return {};
}

Result<Source> SourceRepository::get(WorkspaceId workspace, SourceId id) {
  auto found = find_one<Source>(
      tx_, fmt::format("SELECT {} FROM source WHERE id = ?1 AND workspace_id = ?2", kColumns),
      {rows::id(id), rows::id(workspace)}, [&](const Row& row) { return source_at(row, keyring_); });
  if (!found) return std::unexpected(not_found("source"));
  return std::move(*found);
}

Listing<Source> SourceRepository::list(WorkspaceId workspace, const Page& page) {
  return list_by_id<Source>(
      tx_,
      fmt::format("SELECT {} FROM source WHERE workspace_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
                  kColumns),
      workspace, page, [&](const Row& row) { return source_at(row, keyring_); });
}

std::vector<Source> SourceRepository::all() {
  std::vector<Source> found;
  tx_.query(fmt::format("SELECT {} FROM source ORDER BY id", kColumns), {},
            [&](const Row& row) { found.push_back(source_at(row, keyring_)); });
  return found;
}

}  // namespace postern::relay
