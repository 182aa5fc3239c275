#pragma once
#include <cstdint>
#include <functional>
#include <string_view>

namespace postern::relay::transfer {

/// Where a move stands. Told after each block or so.
struct Progress {
  std::string_view doing;  ///< "checking", or the name of a table
  std::uint64_t rows = 0;  ///< of all tables
  std::uint64_t rows_total = 0;
  std::uint64_t bytes = 0;
};
using OnProgress = std::function<void(const Progress&)>;

}  // namespace postern::relay::transfer
