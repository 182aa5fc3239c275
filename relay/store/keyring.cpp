#include "relay/store/keyring.hpp"

#include <stdexcept>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kKeySize = 32;
// In front of every sealed value, so that another form can come later.
constexpr char kVersion = 1;

std::string context(WorkspaceId workspace, std::string_view place) {
  return fmt::format("postern/{}/{}", workspace.to_string(), place);
}

std::string seal_with(std::string_view key, std::string_view secret, const std::string& aad, Random& random) {
  return kVersion + aead_seal(key, secret, aad, random);
}

std::optional<std::string> open_with(std::string_view key, std::string_view sealed, const std::string& aad) {
  if (sealed.empty() || sealed.front() != kVersion) return std::nullopt;
  return aead_open(key, sealed.substr(1), aad);
}

}  // namespace

Keyring::Keyring(std::string master_key, Random& random) : master_(std::move(master_key)), random_(random) {
  if (master_.size() != kKeySize) throw std::invalid_argument("A master key has 32 bytes.");
}

Keyring::~Keyring() {
  cleanse(master_);
  for (auto& [workspace, key] : data_keys_) cleanse(key);
}

std::string Keyring::new_data_key(WorkspaceId workspace) const {
  std::string key = random_.bytes(kKeySize);
  std::string sealed = seal_with(master_, key, context(workspace, "data_key"), random_);
  cleanse(key);
  return sealed;
}

Result<void> Keyring::load(WorkspaceId workspace, std::string_view sealed_data_key) {
  {
    const std::lock_guard lock(mutex_);
    if (data_keys_.contains(workspace)) return {};
  }
  auto key = open_with(master_, sealed_data_key, context(workspace, "data_key"));
  if (!key || key->size() != kKeySize) {
    return fail(
        "wrong_master_key",
        fmt::format("The data key of {} does not open: the master key file is not the one this database was "
                    "made with.",
                    workspace.to_string()));
  }
  const std::lock_guard lock(mutex_);
  data_keys_.try_emplace(workspace, std::move(*key));
  return {};
}

const std::string& Keyring::data_key(WorkspaceId workspace) const {
  const std::lock_guard lock(mutex_);
  const auto found = data_keys_.find(workspace);
  if (found == data_keys_.end())
    throw std::logic_error("The data key of " + workspace.to_string() + " is not loaded.");
  return found->second;
}

std::string Keyring::seal(WorkspaceId workspace, std::string_view secret, std::string_view place) const {
  return seal_with(data_key(workspace), secret, context(workspace, place), random_);
}

Result<std::string> Keyring::open(WorkspaceId workspace, std::string_view sealed,
                                  std::string_view place) const {
  auto secret = open_with(data_key(workspace), sealed, context(workspace, place));
  if (!secret) {
    return fail("sealed_value_damaged",
                fmt::format("The sealed value at {} does not open: it was changed, or moved "
                            "here from another place.",
                            place));
  }
  return std::move(*secret);
}

}  // namespace postern::relay
