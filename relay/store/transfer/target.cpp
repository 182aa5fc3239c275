#include "relay/store/transfer/target.hpp"

#include "relay/store/database.hpp"

namespace postern::relay::transfer {
namespace {

constexpr std::int64_t kNumbers = std::int64_t{1} << 40;
constexpr std::int64_t kTimes = std::int64_t{530} * 365 * 86'400 * 1'000'000;

}  // namespace

void check_number(std::int64_t row) {
  if (row < 1 || row >= kNumbers) throw StoreFault(fmt::format("a row has number {}", row));
}

void check_time(std::int64_t micros) {
  if (micros < 0 || micros >= kTimes)
    throw StoreFault(fmt::format("a row has a time that cannot be: {} µs since 1970", micros));
}

}  // namespace postern::relay::transfer
