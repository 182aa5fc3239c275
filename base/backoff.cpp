#include "base/backoff.hpp"

#include <algorithm>

namespace postern {

Duration Backoff::next(Random& random) {
  const unsigned doublings = std::min(failures_, 30U);
  ++failures_;
  const double ceiling = std::min(static_cast<double>(base_.count()) * static_cast<double>(1ULL << doublings),
                                  static_cast<double>(cap_.count()));
  return Duration(static_cast<std::int64_t>(ceiling * random.unit()));
}

Duration jittered(Duration d, double spread, Random& random) {
  const double factor = 1.0 - spread + 2.0 * spread * random.unit();
  return Duration(static_cast<std::int64_t>(static_cast<double>(d.count()) * factor));
}

}  // namespace postern
