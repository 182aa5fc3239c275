#include "relay/store/postgres/transaction.hpp"

#include "base/bytes.hpp"

namespace postern::relay::pg {

Result<std::int64_t> PostgresTransaction::execute(std::string_view sql, const std::vector<Value>& values) {
  const std::string translated = with_dollars(sql);
  const Params params(values);
  const Statement statements[] = {{"SAVEPOINT one"}, {translated, &params}, {"RELEASE SAVEPOINT one"}};
  try {
    return connection_.pipeline(statements)[1].changed();
  } catch (const Failure& failure) {
    if (!failure.constraint()) throw;
    const Statement undo[] = {{"ROLLBACK TO SAVEPOINT one"}, {"RELEASE SAVEPOINT one"}};
    connection_.pipeline(undo);
    return fail("conflict", "Something with that key is there already, or what it refers to is not.");
  }
}

void PostgresTransaction::query(std::string_view sql, const std::vector<Value>& values,
                                const std::function<void(const Row&)>& each) {
  const Rows rows = connection_.run(with_dollars(sql), Params(values));
  for (std::size_t i = 0; i < rows.size(); ++i) each(ResultRow(rows, i));
}

void PostgresTransaction::confine(WorkspaceId workspace) {
  const Params params = std::move(Params().add_text(hex_encode(workspace.bytes())));
  static const std::string role = fmt::format("SET LOCAL ROLE {}", kTenantRole);
  const Statement statements[] = {{"SELECT set_config('postern.workspace', $1, true)", &params}, {role}};
  connection_.pipeline(statements);
}

}  // namespace postern::relay::pg
