#pragma once
#include "relay/store/postgres/connection.hpp"
#include "relay/store/postgres/lock_numbers.hpp"

namespace postern::relay::pg {

/// An advisory lock of `connection`'s session, one of lock_numbers.hpp, held for as long as the object lives.
/// At its end what transaction is open is rolled back. An unlock that fails is logged as `kept_event`: the
/// server drops the lock when the connection ends.
class AdvisoryLock {
 public:
  enum class Take { wait, if_free };

  AdvisoryLock(Connection& connection, std::int64_t number, std::string_view kept_event,
               Take take = Take::wait);
  ~AdvisoryLock();
  AdvisoryLock(const AdvisoryLock&) = delete;
  AdvisoryLock& operator=(const AdvisoryLock&) = delete;

  /// False only after Take::if_free, when another session holds it.
  bool taken() const { return taken_; }

 private:
  Connection& connection_;
  std::int64_t number_;
  std::string_view kept_event_;
  bool taken_ = true;
};

}  // namespace postern::relay::pg
