#include "tests/bench/tunnel/figures.hpp"

namespace postern::bench {

std::string Figures::json() {
  const auto count = static_cast<double>(small.count());
  return fmt::format(R"({{"mb_per_second":{:.1f},"per_second":{:.0f},"latency":{}}})",
                     static_cast<double>(bytes) / 1e6 / seconds, count / seconds, small.json());
}

}  // namespace postern::bench
