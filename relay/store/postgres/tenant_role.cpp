#include "relay/store/postgres/tenant_role.hpp"

#include "relay/store/postgres/transaction.hpp"

namespace postern::relay::pg {
namespace {

bool exists(Connection& connection) {
  const Params name = std::move(Params().add_text(kTenantRole));
  return connection.run("SELECT 1 FROM pg_roles WHERE rolname = $1", name).size() > 0;
}

/// Two databases of one server may get here at the same time: the role is the server's.
void create(Connection& connection) {
  try {
    connection.run(fmt::format("CREATE ROLE {} NOLOGIN NOINHERIT", kTenantRole));
  } catch (const Failure& failure) {
    if (failure.sqlstate == "42710" || failure.sqlstate == "23505") return;
    if (failure.sqlstate != "42501") throw;
    throw Failure(
        "", fmt::format("the relay's role may not make the role that keeps workspaces apart; let an "
                        "administrator run: CREATE ROLE {0} NOLOGIN NOINHERIT; GRANT {0} TO <the relay's "
                        "role>",
                        kTenantRole));
  }
}

bool may_become(Connection& connection) {
  // From 16 on, who makes a role may give it away but not enter it.
  const std::string_view right = connection.server_version() >= 160000 ? "SET" : "MEMBER";
  const Params asked = std::move(Params().add_text(kTenantRole).add_text(right));
  return connection.run("SELECT pg_has_role(current_user, $1, $2)", asked).integer(0, 0) != 0;
}

/// A grant is a change of the catalog: not at every start of every node.
bool has_its_rights(Connection& connection) {
  if (!exists(connection) || !may_become(connection)) return false;
  const Params name = std::move(Params().add_text(kTenantRole));
  return connection
             .run(
                 "SELECT bool_and(has_table_privilege($1, c.oid, 'SELECT')) FROM pg_class c "
                 "WHERE c.relrowsecurity AND c.relnamespace = current_schema()::regnamespace",
                 name)
             .integer(0, 0) != 0;
}

}  // namespace

void ensure_tenant_role(Connection& connection, bool schema_changed) {
  if (!schema_changed && has_its_rights(connection)) return;
  if (!exists(connection)) create(connection);
  if (!may_become(connection)) connection.run(fmt::format("GRANT {} TO current_user", kTenantRole));
  connection.script(
      fmt::format("GRANT USAGE ON SCHEMA public TO {0};"
                  "GRANT SELECT ON workspace, event, event_duplicate, attempt, audit, retention_going, "
                  "agent_session TO {0};"
                  "GRANT SELECT (id, label, lease_until, buried_at) ON node TO {0};"
                  "GRANT UPDATE (retain_bodies, retain_events, retain_attempts) ON workspace TO {0};"
                  "GRANT SELECT, INSERT, UPDATE, DELETE ON source, destination, route, agent, enrollment, "
                  "delivery, api_key, "
                  "idempotency, replay, replay_delivery, replay_open TO {0};"
                  "GRANT INSERT ON audit TO {0};"
                  "GRANT UPDATE (rate_per_second, rate_burst) ON workspace TO {0};"
                  "GRANT USAGE ON SEQUENCE delivery_row TO {0}",
                  kTenantRole));
}

}  // namespace postern::relay::pg
