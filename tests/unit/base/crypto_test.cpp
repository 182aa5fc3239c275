#include "base/crypto.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace postern {
namespace {

TEST(Hmac, FollowsRfc4231) {
  EXPECT_EQ(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Mac, IsReadyForTheNextMessageAfterFinish) {
  Mac mac(Digest::sha256, "key");
  mac.update("one");
  const std::string first = mac.finish();
  mac.update("on");
  mac.update("e");
  EXPECT_EQ(mac.finish(), first);
  EXPECT_EQ(first, hmac_sha256("key", "one"));
}

TEST(Mac, TakesAnEmptyKey) {
  EXPECT_EQ(hmac_sha256("", "").size(), 32U);
}

TEST(Aead, OpensOnlyWhatWasSealedThere) {
  SystemRandom random;
  const std::string key = random.bytes(32);
  const std::string sealed = aead_seal(key, "secret", "place", random);
  EXPECT_EQ(aead_open(key, sealed, "place"), "secret");
  EXPECT_FALSE(aead_open(key, sealed, "elsewhere"));
  EXPECT_FALSE(aead_open(random.bytes(32), sealed, "place"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string bent = sealed;
    bent[i] = static_cast<char>(bent[i] ^ 1);
    EXPECT_FALSE(aead_open(key, bent, "place"));
  }
  EXPECT_FALSE(aead_open(key, "short", "place"));
}

TEST(Crc32, FollowsTheCheckValue) {
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
  EXPECT_EQ(crc32(""), 0U);
}

TEST(Crc32, IsTheSameHoweverManyBytesAreTakenAtOnce) {
  // Bit by bit, as the polynomial says.
  const auto slow = [](std::string_view data) {
    std::uint32_t crc = ~0U;
    for (const char c : data) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
    }
    return ~crc;
  };
  SystemRandom random;
  for (std::size_t size = 0; size < 70; ++size) {
    const std::string data = random.bytes(size);
    EXPECT_EQ(crc32(data), slow(data)) << size;
  }
}

TEST(Sha256, OfPartsIsThatOfTheWhole) {
  Sha256 parts;
  parts.update("ab");
  parts.update("");
  parts.update("c");
  EXPECT_EQ(parts.finish(), sha256("abc"));
  EXPECT_EQ(parts.finish(), sha256(""));
}

}  // namespace
}  // namespace postern
