#pragma once
#include "relay/store/postgres/connection.hpp"

namespace postern::relay::pg {

/// Makes the role that PostgresTransaction::confine() changes to, and gives it what a workspace's own
/// requests need; the policies of the tables then decide which rows. Throws Failure when the relay's own role
/// may not make roles and there is none yet: the message says what an administrator has to run.
void ensure_tenant_role(Connection& connection, bool schema_changed);

}  // namespace postern::relay::pg
