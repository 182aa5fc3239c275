#include "relay/store/sqlite/connection.hpp"

namespace postern::relay::sqlite {
namespace {

class StatementRow final : public Row {
 public:
  explicit StatementRow(const Statement& statement) : statement_(statement) {}
  bool is_null(int column) const override { return statement_.is_null(column); }
  std::int64_t integer(int column) const override { return statement_.integer(column); }
  std::string_view text(int column) const override { return statement_.text(column); }
  std::string_view blob(int column) const override { return statement_.blob(column); }

 private:
  const Statement& statement_;
};

void bind_all(Statement& statement, const std::vector<Value>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int index = static_cast<int>(i) + 1;
    const Value& value = values[i];
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      statement.bind(index, *number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      statement.bind_text(index, *text);
    } else if (const auto* blob = std::get_if<Blob>(&value)) {
      statement.bind_blob(index, blob->bytes);
    } else {
      statement.bind_null(index);
    }
  }
}

}  // namespace

Result<std::int64_t> SqliteTransaction::execute(std::string_view sql, const std::vector<Value>& values) {
  const Use statement = connection_.use(sql);
  bind_all(*statement, values);
  if (!statement->step_unless_constraint()) {
    return fail("conflict", "Something with that key is there already, or what it refers to is not.");
  }
  return connection_.changes();
}

void SqliteTransaction::query(std::string_view sql, const std::vector<Value>& values,
                              const std::function<void(const Row&)>& each) {
  const Use statement = connection_.use(sql);
  bind_all(*statement, values);
  const StatementRow row(*statement);
  while (statement->step()) each(row);
}

}  // namespace postern::relay::sqlite
