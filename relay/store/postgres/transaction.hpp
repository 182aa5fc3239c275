#pragma once
#include "relay/store/postgres/connection.hpp"

namespace postern::relay::pg {

/// A Transaction over a connection in which one has begun. Each execute() has a savepoint of its own, in the
/// same round trip: PostgreSQL would otherwise end the transaction at the first key that is taken.
class PostgresTransaction final : public Transaction {
 public:
  explicit PostgresTransaction(Connection& connection) : connection_(connection) {}
  Result<std::int64_t> execute(std::string_view sql, const std::vector<Value>& values) override;
  void query(std::string_view sql, const std::vector<Value>& values,
             const std::function<void(const Row&)>& each) override;
  void confine(WorkspaceId workspace) override;

 private:
  Connection& connection_;
};

/// The role that confine() changes to.
inline constexpr std::string_view kTenantRole = "postern_tenant";

}  // namespace postern::relay::pg
