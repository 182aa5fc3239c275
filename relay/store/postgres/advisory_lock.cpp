#include "relay/store/postgres/advisory_lock.hpp"

#include "base/log.hpp"

namespace postern::relay::pg {

AdvisoryLock::AdvisoryLock(Connection& connection, std::int64_t number, std::string_view kept_event,
                           Take take)
    : connection_(connection), number_(number), kept_event_(kept_event) {
  if (take == Take::wait)
    connection_.run(fmt::format("SELECT pg_advisory_lock({})", number_));
  else
    taken_ = connection_.run(fmt::format("SELECT pg_try_advisory_lock({})::int", number_)).integer(0, 0) != 0;
}

AdvisoryLock::~AdvisoryLock() {
  if (!taken_) return;
  try {
    connection_.rollback();
    if (connection_.usable()) connection_.run(fmt::format("SELECT pg_advisory_unlock({})", number_));
  } catch (const std::exception& fault) {
    log::warn(kept_event_, {{"error", fault.what()}});
  }
}

}  // namespace postern::relay::pg
