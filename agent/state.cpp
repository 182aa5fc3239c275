#include "agent/state.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <cerrno>
#include <cstdlib>

#include "base/bytes.hpp"

namespace postern::agent {
namespace {

namespace json = boost::json;
constexpr int kFormat = 1;

std::string text_of(const json::object& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

std::vector<std::string> texts_of(const json::object& object, std::string_view key) {
  std::vector<std::string> out;
  for (const json::value& item : object.at(key).as_array()) out.emplace_back(item.as_string());
  return out;
}

std::string secret_from(const json::object& object, std::string_view key = "secret") {
  auto secret = base64url_decode(text_of(object, key));
  if (!secret || secret->size() != 32) throw std::runtime_error("the secret is not 32 bytes");
  return *secret;
}

json::object parse_object(std::string_view content) {
  json::object object = json::parse(content).as_object();
  if (object.at("format").to_number<int>() != kFormat) throw std::runtime_error("written by another version");
  return object;
}

/// What earlier versions did not write.
void read_rotation(const json::object& object, Identity& identity) {
  if (const auto* epoch = object.if_contains("key_epoch"))
    identity.key_epoch = epoch->to_number<std::uint32_t>();
  if (object.contains("next_secret")) {
    identity.next_secret = secret_from(object, "next_secret");
    identity.next_known = object.at("next_known").as_bool();
  }
  if (object.contains("relay_ca")) identity.ca = text_of(object, "relay_ca");
  if (object.contains("instance")) {
    const auto instance = uuid_from_text(text_of(object, "instance"));
    if (!instance) throw std::runtime_error("instance is malformed");
    identity.instance = *instance;
  }
}

Identity identity_from(std::string_view content) {
  const json::object object = parse_object(content);
  Identity identity;
  const auto id = AgentId::parse(text_of(object, "agent_id"));
  if (!id) throw std::runtime_error("agent_id is malformed");
  identity.agent_id = *id;
  identity.secret = secret_from(object);
  auto relay = parse_host_port(text_of(object, "relay"));
  if (!relay) throw std::runtime_error(relay.error().message);
  identity.relay = *relay;
  for (const std::string& pin : texts_of(object, "relay_pins_sha256")) {
    auto bytes = hex_decode(pin);
    if (!bytes || bytes->size() != 32) throw std::runtime_error("a pin is not 64 hex digits");
    identity.pins.push_back(*bytes);
  }
  if (identity.pins.empty()) throw std::runtime_error("no key of the relay is pinned");
  auto allow = AllowList::parse(texts_of(object, "allow"));
  if (!allow) throw std::runtime_error(allow.error().message);
  identity.allow = std::move(*allow);
  identity.generation = object.at("generation").to_number<std::uint64_t>();
  read_rotation(object, identity);
  return identity;
}

Joining joining_from(std::string_view content) {
  const json::object object = parse_object(content);
  const auto id = JoinId::parse(text_of(object, "join_id"));
  if (!id) throw std::runtime_error("join_id is malformed");
  return {*id, secret_from(object), text_of(object, "facts")};
}

std::unexpected<Error> damaged(const std::filesystem::path& path, std::string_view why) {
  return fail("state_damaged",
              fmt::format("{} cannot be read ({}). Restore it, or join again with a new token and --force.",
                          path.string(), why));
}

/// Runs `parse` over a file's content; what it throws becomes `state_damaged`.
template <class T>
Result<std::optional<T>> load(const std::filesystem::path& path, T (*parse)(std::string_view)) {
  auto content = read_file(path);
  if (!content) return std::unexpected(content.error());
  if (!*content) return std::nullopt;
  try {
    return parse(**content);
  } catch (const boost::system::system_error& e) {
    return damaged(path, e.code().message());  // what() tells of Boost's sources, too
  } catch (const std::exception& e) {
    return damaged(path, e.what());
  }
}

json::array to_array(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

}  // namespace

void catch_up(Identity& identity, const Identity& saved) {
  identity.generation = std::max(identity.generation, saved.generation);
  if (saved.key_epoch > identity.key_epoch) {
    identity.secret = saved.secret;
    identity.key_epoch = saved.key_epoch;
  } else if (saved.key_epoch < identity.key_epoch || saved.next_secret.empty()) {
    return;
  }
  identity.next_secret = saved.next_secret;
  identity.next_known = saved.next_known;
}

std::filesystem::path StateDir::default_path() {
  if (::geteuid() == 0) return "/var/lib/postern-agent";
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state && *state == '/') return std::filesystem::path(state) / "postern-agent";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home && *home ? home : ".") / ".local/state/postern-agent";
}

Result<void> StateDir::create() const {
  std::error_code ec;
  const auto parent = path_.parent_path();
  std::filesystem::create_directories(parent, ec);
  if (ec) return fail("io_failed", fmt::format("Cannot create {}: {}.", parent.string(), ec.message()));
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail("io_failed", fmt::format("Cannot create {}: {}.", path_.string(), std::strerror(errno)));
  }
  return {};
}

Result<Identity> StateDir::identity() const {
  auto loaded = load<Identity>(path_ / "state.json", identity_from);
  if (!loaded) return std::unexpected(loaded.error());
  if (*loaded) return std::move(**loaded);
  return fail("not_joined",
              fmt::format("{} holds no agent. Get a join token from the relay (postern agents enroll "
                          "NAME) and run: postern-agent join TOKEN --allow HOST:PORT",
                          path_.string()));
}

Result<void> StateDir::save(const Identity& identity) const {
  std::vector<std::string> pins;
  pins.reserve(identity.pins.size());
  for (const std::string& pin : identity.pins) pins.push_back(hex_encode(pin));
  json::object object{{"format", kFormat},
                      {"agent_id", identity.agent_id.to_string()},
                      {"secret", base64url_encode(identity.secret)},
                      {"relay", identity.relay.to_string()},
                      {"relay_pins_sha256", to_array(pins)},
                      {"allow", to_array(identity.allow.entries())},
                      {"generation", identity.generation},
                      {"key_epoch", identity.key_epoch}};
  if (!identity.next_secret.empty()) {
    object["next_secret"] = base64url_encode(identity.next_secret);
    object["next_known"] = identity.next_known;
  }
  if (!identity.ca.empty()) object["relay_ca"] = identity.ca;
  if (identity.instance != Uuid{}) object["instance"] = uuid_to_text(identity.instance);
  auto saved = replace_file(path_ / "state.json", json::serialize(object) + "\n", Durable::yes);
  if (saved) ::unlink((path_ / "joining.json").c_str());
  return saved;
}

Result<std::optional<Joining>> StateDir::joining() const {
  return load<Joining>(path_ / "joining.json", joining_from);
}

Result<void> StateDir::save(const Joining& joining) const {
  const json::object object{{"format", kFormat},
                            {"join_id", joining.join_id.to_string()},
                            {"secret", base64url_encode(joining.secret)},
                            {"facts", joining.facts_json}};
  return replace_file(path_ / "joining.json", json::serialize(object) + "\n", Durable::yes);
}

Result<void> StateDir::ask_rotation() const {
  return replace_file(path_ / "rotate", "\n", Durable::yes);
}

void StateDir::rotation_done() const {
  ::unlink((path_ / "rotate").c_str());
}

void StateDir::forget_damaged_join() const {
  const auto begun = joining();
  if (!begun && begun.error().code == "state_damaged") ::unlink((path_ / "joining.json").c_str());
}

void StateDir::forget_other_journals(AgentId agent) const {
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(path_, ec)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("journal-") || entry.path() == journal_file(agent)) continue;
    std::filesystem::remove(entry.path(), ec);
  }
}

}  // namespace postern::agent
