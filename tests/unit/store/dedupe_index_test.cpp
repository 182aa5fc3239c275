#include "relay/store/sqlite/dedupe_index.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/packing.hpp"
#include "relay/store/sqlite/siphash.hpp"

namespace postern::relay {
namespace {

constexpr auto kDay = std::chrono::hours(24);

bool has(const DedupeIndex& index, std::uint64_t fingerprint, std::int64_t row) {
  return index.find(fingerprint, [&](std::int64_t found) { return found == row; });
}

TEST(DedupeIndex, FindsEveryEntryWhateverTheFingerprints) {
  SeededRandom random(7);
  DedupeIndex index(1'000'000);
  const Time now(kDay * 20'000);
  std::vector<std::uint64_t> fingerprints;
  for (int i = 0; i < 20'000; ++i) {
    // Also runs of neighbours, and the ends of the table.
    fingerprints.push_back(i % 3 == 0   ? random.u64()
                           : i % 3 == 1 ? static_cast<std::uint64_t>(i)
                                        : ~std::uint64_t{0} - i);
    index.add(fingerprints.back(), i + 1, now + kDay * (i % 7));
  }
  EXPECT_EQ(index.size(), 20'000U);
  EXPECT_EQ(index.generations(), 7U);
  for (int i = 0; i < 20'000; ++i)
    ASSERT_TRUE(has(index, fingerprints[static_cast<std::size_t>(i)], i + 1)) << i;
  EXPECT_FALSE(index.find(12'345'678'901ULL, [](std::int64_t) { return true; }));
}

TEST(DedupeIndex, OneFingerprintCanHaveSeveralRows) {
  DedupeIndex index(100);
  const Time now(kDay * 20'000);
  index.add(5, 1, now);
  index.add(5, 2, now + kDay);
  index.add(5, 3, now);
  std::vector<std::int64_t> rows;
  index.find(5, [&](std::int64_t row) {
    rows.push_back(row);
    return false;
  });
  std::ranges::sort(rows);
  EXPECT_EQ(rows, (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(DedupeIndex, DaysThatAreOverGoWhole) {
  DedupeIndex index(100);
  const Time now(kDay * 20'000);
  index.add(1, 1, now + std::chrono::hours(23));
  index.add(2, 2, now + kDay);
  index.expire(now + std::chrono::hours(23));
  EXPECT_EQ(index.size(), 2U);
  index.expire(now + kDay);
  EXPECT_EQ(index.size(), 1U);
  EXPECT_TRUE(has(index, 2, 2));
  EXPECT_EQ(index.dropped_early(), 0U);
}

TEST(DedupeIndex, WhenFullTheSoonestGoEarly) {
  DedupeIndex index(10);
  const Time now(kDay * 20'000);
  for (int i = 0; i < 5; ++i) index.add(static_cast<std::uint64_t>(i), i + 1, now + kDay);
  for (int i = 5; i < 10; ++i) index.add(static_cast<std::uint64_t>(i), i + 1, now + 2 * kDay);
  index.add(10, 11, now + 2 * kDay);
  EXPECT_EQ(index.size(), 6U);
  EXPECT_EQ(index.dropped_early(), 5U);
  EXPECT_FALSE(has(index, 0, 1));
  EXPECT_TRUE(has(index, 10, 11));
  for (int i = 0; i < 1000; ++i) {
    index.add(static_cast<std::uint64_t>(i), i + 1, now + 2 * kDay);
    ASSERT_LE(index.size(), 10U);
  }
}

TEST(SipHash, MatchesTheReferenceVectors) {
  // Key 00 01 … 0f; message 00 01 … of each length, from the authors' reference implementation.
  const SipKey key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  std::string message;
  for (int i = 0; i < 15; ++i) message.push_back(static_cast<char>(i));
  EXPECT_EQ(siphash(key, ""), 0x726fdb47dd0e0e31U);
  EXPECT_EQ(siphash(key, message.substr(0, 1)), 0x74f839c593dc67fdU);
  EXPECT_EQ(siphash(key, message.substr(0, 8)), 0x93f5f5799a932462U);
  EXPECT_EQ(siphash(key, message), 0xa129ca6149be45e5U);
}

TEST(LeaseToken, KeepsRowAndLease) {
  for (const std::int64_t row : {std::int64_t{1}, (std::int64_t{1} << 44) - 1}) {
    for (const std::int64_t lease : {std::int64_t{1}, LeaseToken::kLeaseMask}) {
      const auto back = LeaseToken::unpack(LeaseToken{row, lease}.pack());
      EXPECT_EQ(back.row, row);
      EXPECT_EQ(back.lease, lease);
    }
  }
}

TEST(Packing, ComesBackAndRefusesWhatItDidNotWrite) {
  const std::vector<std::string> strings{"",
                                         "a",
                                         std::string(127, 'b'),
                                         std::string(128, 'c'),
                                         std::string(70'000, 'd'),
                                         std::string("\0\xff", 2)};
  const std::string packed = pack_strings(strings);
  EXPECT_EQ(unpack_strings(packed), strings);
  EXPECT_EQ(unpack_strings(""), std::vector<std::string>{});
  EXPECT_FALSE(unpack_strings(std::string_view(packed).substr(0, packed.size() - 1)));
  EXPECT_FALSE(unpack_strings("\xff\xff\xff\xff\xff\xff"));
  EXPECT_FALSE(unpack_headers(pack_strings({"name"})));
  EXPECT_EQ(pack_numbers({0, -5, 12}), "0,-5,12");
  EXPECT_EQ(unpack_numbers("0,-5,12"), (std::vector<std::int64_t>{0, -5, 12}));
  EXPECT_EQ(unpack_numbers(""), std::vector<std::int64_t>{});
  for (const auto* bad : {",", "1,", "1,,2", "x", "1x", "99999999999999999999"})
    EXPECT_FALSE(unpack_numbers(bad)) << bad;
}

}  // namespace
}  // namespace postern::relay
