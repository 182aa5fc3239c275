#include "relay/store/agent_login.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

constexpr Uuid kFirst{1}, kSecond{2}, kNone{};

LastLogin last(std::uint64_t generation, const Uuid& instance) {
  return {generation, std::string(reinterpret_cast<const char*>(instance.data()), instance.size())};
}

AgentLogin showing(std::uint64_t generation, const Uuid& instance, const Uuid& previous = kNone) {
  return {{}, 0, generation, 0, instance, previous, {}};
}

TEST(AgentLogin, TheNewestStateIsNoCopyWhoeverHasIt) {
  EXPECT_FALSE(shows_a_copy(last(7, kFirst), showing(7, kSecond)));
  EXPECT_FALSE(shows_a_copy(last(7, kFirst), showing(9, kSecond)));  // the relay's own store is older
  EXPECT_FALSE(shows_a_copy({}, showing(0, kSecond)));
}

TEST(AgentLogin, AnOlderStateOfAnotherProcessIsOne) {
  EXPECT_TRUE(shows_a_copy(last(7, kFirst), showing(6, kSecond)));
  EXPECT_TRUE(shows_a_copy(last(7, kFirst), showing(6, kSecond, Uuid{3})));
}

TEST(AgentLogin, ALostAnswerIsNot) {
  EXPECT_FALSE(shows_a_copy(last(7, kFirst), showing(6, kFirst)));
  EXPECT_FALSE(shows_a_copy(last(7, kFirst), showing(6, kSecond, kFirst)));  // killed before it could save
  EXPECT_FALSE(shows_a_copy(last(7, kFirst), showing(3, kFirst)));           // four sessions at once
  EXPECT_TRUE(shows_a_copy(last(70, kFirst), showing(2, kFirst)));  // a machine that was copied as it ran
}

}  // namespace
}  // namespace postern::relay
