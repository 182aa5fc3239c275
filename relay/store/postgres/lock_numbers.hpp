#pragma once
#include <cstdint>

/// Every advisory lock that the relay takes on the server, in one place, so that no two are the same. The
/// first eight bytes of a digest, and a count: no other program is likely to use them.
namespace postern::relay::pg {

inline constexpr std::int64_t kMigrationsLock = 0x2f6b8c1d4e5a7093;
inline constexpr std::int64_t kPartitionsLock = 0x2f6b8c1d4e5a7094;
inline constexpr std::int64_t kOldDaysLock = 0x2f6b8c1d4e5a7095;
inline constexpr std::int64_t kImportLock = 0x2f6b8c1d4e5a7096;

/// The first of the two numbers of a lock on a destination; the second is made from its id. A space of its
/// own.
inline constexpr int kHeadsLock = 0x2f6b8c1d;

}  // namespace postern::relay::pg
