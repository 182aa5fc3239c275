#pragma once
#include "relay/store/repositories.hpp"
#include "relay/store/rows.hpp"

namespace postern::relay {

inline Error not_found(std::string_view what) {
  return Error{"not_found", fmt::format("There is no such {} in this workspace.", what)};
}
inline Error name_taken(std::string_view what) {
  return Error{"name_taken", fmt::format("There is another {} of that name already.", what)};
}

/// What a clock of ids and one of rows may differ by; neither steps back while a process runs.
inline constexpr Duration kIdSlack = std::chrono::hours(1);

/// The least id that is made at `time`: ids begin with their milliseconds.
template <class IdType>
IdType id_at_time(Time time) {
  const std::int64_t millis = std::max<std::int64_t>(0, to_micros(time) / 1000);
  std::string bytes(16, '\0');
  for (int i = 0; i < 6; ++i)
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(millis >> (40 - 8 * i) & 0xff);
  return *IdType::from_bytes(bytes);
}

/// One page of a table whose newest rows have the greatest ids. `sql` takes the workspace as ?1, the id to
/// stay below as ?2 and the limit as ?3; `more` is ?4 and so on. A cursor of another listing gives an empty
/// page.
template <class T, class Read>
Listing<T> list_by_id(Transaction& tx, std::string_view sql, WorkspaceId workspace, const Page& page,
                      Read read, std::vector<Value> more = {}) {
  using IdType = decltype(T::id);
  Listing<T> listing;
  std::string below(16, '\xff');
  if (!page.cursor.empty()) {
    const auto cursor = IdType::parse(page.cursor);
    if (!cursor) return listing;
    below = std::string(cursor->bytes());
  }
  const std::size_t limit = std::clamp<std::size_t>(page.limit, 1, 500);
  more.insert(more.begin(), {rows::id(workspace), Blob{below}, static_cast<std::int64_t>(limit + 1)});
  tx.query(sql, more, [&](const Row& row) {
    // One more than asked for tells whether there is another page.
    if (listing.items.size() == limit)
      listing.next_cursor = listing.items.back().id.to_string();
    else
      listing.items.push_back(read(row));
  });
  return listing;
}

/// The first row that `read` makes of the answer.
template <class T, class Read>
std::optional<T> find_one(Transaction& tx, std::string_view sql, const std::vector<Value>& values,
                          Read read) {
  std::optional<T> found;
  tx.query(sql, values, [&](const Row& row) {
    if (!found) found = read(row);
  });
  return found;
}

inline bool exists(Transaction& tx, std::string_view sql, const std::vector<Value>& values) {
  return find_one<bool>(tx, sql, values, [](const Row&) { return true; }).has_value();
}

/// A sealed value that does not open means a damaged or tampered database: a fault, not an outcome.
inline std::string must_open(const Keyring& keyring, WorkspaceId workspace, std::string_view sealed,
                             std::string_view place) {
  auto secret = keyring.open(workspace, sealed, place);
  if (!secret) throw StoreFault(secret.error().message);
  return std::move(*secret);
}

}  // namespace postern::relay
