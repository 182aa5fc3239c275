#include "control/api/api_key.hpp"

#include <gtest/gtest.h>

#include "base/clock.hpp"

namespace postern::control {
namespace {

struct Made {
  SystemClock clock;
  SeededRandom random{1};
  IdGenerator ids{clock, random};
  KeyId id = ids.of<KeyId>();
  std::string key = make_api_key(id, random);
};

TEST(ApiKey, CarriesItsIdAndAChecksum) {
  Made made;
  EXPECT_TRUE(made.key.starts_with("pk_"));
  EXPECT_EQ(made.key.size(), 3u + 26 + 1 + 30 + 6);
  EXPECT_EQ(api_key_id(made.key), made.id);
}

TEST(ApiKey, EveryMistypedCharacterShows) {
  Made made;
  for (std::size_t i = 0; i < made.key.size(); ++i) {
    std::string typo = made.key;
    typo[i] = typo[i] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(api_key_id(typo)) << i;
  }
  EXPECT_FALSE(api_key_id(made.key.substr(1)));
  EXPECT_FALSE(api_key_id(made.key + "0"));
  EXPECT_FALSE(api_key_id(""));
}

TEST(ApiKeys, FindLiveKeysOnly) {
  Made made;
  const WorkspaceId workspace = made.ids.of<WorkspaceId>();
  relay::ApiKey row{.id = made.id,
                    .workspace_id = workspace,
                    .name = "a",
                    .secret_digest = api_key_digest(made.key),
                    .created_at = {}};
  const ApiKeys live({row});
  ASSERT_TRUE(live.find(made.key));
  EXPECT_EQ(live.find(made.key)->workspace_id, workspace);
  // The same id with another secret: well-formed, and not the key.
  EXPECT_FALSE(live.find(make_api_key(made.id, made.random)));
  row.revoked = true;
  EXPECT_FALSE(ApiKeys({row}).find(made.key));
}

}  // namespace
}  // namespace postern::control
