#include "control/first_start.hpp"

#include "base/file.hpp"
#include "control/api/api_key.hpp"
#include "tests/unit/control/api_fixture.hpp"

namespace postern::control {
namespace {

class AdminKeyTest : public ApiFixture {
 protected:
  std::string ensure() {
    EXPECT_TRUE(ensure_admin_key(*store, "admin", DataDir(directory / "data"), ids, clock, random));
    std::string key = read_file(directory / "data" / kAdminKeyFile).value();
    EXPECT_TRUE(key.ends_with('\n'));
    key.pop_back();
    return key;
  }
  bool opens(const std::string& key) { return ApiKeys(all_api_keys(*store)).find(key).has_value(); }
};

TEST_F(AdminKeyTest, IsKeptFromStartToStart) {
  const std::string first = ensure();
  EXPECT_TRUE(opens(first));
  EXPECT_EQ(ensure(), first);
}

TEST_F(AdminKeyTest, ALostFileIsReplacedAndTheOldKeyEnds) {
  const std::string first = ensure();
  std::filesystem::remove(directory / "data" / kAdminKeyFile);
  const std::string second = ensure();
  EXPECT_NE(second, first);
  EXPECT_TRUE(opens(second));
  EXPECT_FALSE(opens(first));
}

TEST_F(AdminKeyTest, AFileWhoseKeyNeverReachedTheStoreIsWrittenAnew) {
  const std::string first = ensure();
  ASSERT_TRUE(DataDir(directory / "data").write(kAdminKeyFile, make_api_key(ids.of<KeyId>(), random) + "\n"));
  EXPECT_TRUE(opens(ensure()));
  EXPECT_FALSE(opens(first));
}

TEST_F(AdminKeyTest, KeysOfOtherNamesStay) {
  ensure();
  std::filesystem::remove(directory / "data" / kAdminKeyFile);
  ensure();
  EXPECT_TRUE(opens(key));
  EXPECT_TRUE(opens(other_key));
}

TEST_F(AdminKeyTest, TheTunnelsIdentityGoesAlongOnlyWhole) {
  const DataDir data(directory / "identity");
  std::filesystem::create_directory(data.path());
  EXPECT_TRUE(tunnel_identity_settings(data)->empty());
  const auto identity = ensure_tunnel_identity(data, clock).value();
  const auto settings = tunnel_identity_settings(data).value();
  ASSERT_EQ(settings.size(), 2U);
  EXPECT_EQ(settings[0].value, identity.certificate_pem);
  EXPECT_FALSE(settings[0].seal);
  EXPECT_EQ(settings[1].value, identity.key_pem);
  EXPECT_TRUE(settings[1].seal);
  std::filesystem::remove(data.path() / kTunnelCertificateFile);
  EXPECT_EQ(tunnel_identity_settings(data).error().code, "tunnel_identity_broken");
}

}  // namespace
}  // namespace postern::control
