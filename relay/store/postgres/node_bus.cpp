#include "relay/store/postgres/node_bus.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "base/random.hpp"

namespace postern::relay {
namespace {

constexpr Duration kPause = std::chrono::milliseconds(50);
/// An agent that is revoked through another node is cut off within a second, also when the notification was
/// lost.
constexpr Duration kCatalogLook = std::chrono::milliseconds(500);
constexpr Duration kAwayPause = std::chrono::seconds(2);
constexpr std::string_view kWakeChannel = "postern_wake";
// A payload is shorter than 8,000 bytes; ids take 33 each.
constexpr std::size_t kIdsAtOnce = 200;
constexpr std::size_t kNameSize = 16, kIdSize = 33;

std::string fresh_name() {
  SystemRandom random;
  return hex_encode(random.bytes(8));
}

/// "name id id id", in hex. Anybody may have sent it: what is not an id is passed over, and no more are taken
/// than a node sends.
std::vector<DestinationId> ids_of(std::string_view payload) {
  std::vector<DestinationId> ids;
  payload = payload.substr(0, kNameSize + kIdsAtOnce * kIdSize);
  for (std::size_t at = payload.find(' '); at != std::string_view::npos; at = payload.find(' ', at + 1)) {
    const auto bytes = hex_decode(payload.substr(at + 1, 32));
    const auto id = bytes ? DestinationId::from_bytes(*bytes) : std::nullopt;
    if (id) ids.push_back(*id);
  }
  return ids;
}

}  // namespace

NodeBus::NodeBus(const PostgresOptions& options, const std::atomic<bool>& abandon)
    : sender_(options.connection("notify"), abandon),
      listener_(options.connection("listen"), stop_listening_),
      name_(fresh_name()) {}

NodeBus::~NodeBus() {
  stop();
}

void NodeBus::on_catalog_change(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  on_catalog_change_ = std::move(listener);
}

void NodeBus::carry(std::function<bool(std::string_view)> carrier) {
  const std::lock_guard lock(mutex_);
  carrier_ = std::move(carrier);
}

void NodeBus::start() {
  send_thread_ = std::thread([this] { send(); });
  listen_thread_ = std::thread([this] { listen(); });
}

void NodeBus::stop() {
  {
    const std::lock_guard lock(hearing_);
    deaf_ = true;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_listening_.store(true);
  wake_.notify_all();
  if (send_thread_.joinable()) send_thread_.join();
  if (listen_thread_.joinable()) listen_thread_.join();
}

void NodeBus::publish(std::vector<DestinationId> destinations) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.insert(destinations.begin(), destinations.end());
  }
  wake_.notify_all();
}

void NodeBus::send() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::string payload = next_payload();
    const auto carrier = carrier_;
    lock.unlock();
    if (!carrier || !carrier(payload)) say(payload);
    lock.lock();
    wake_.wait_for(lock, kPause, [this] { return stopping_; });
  }
}

std::string NodeBus::next_payload() {
  std::string payload = name_;
  for (std::size_t n = 0; n < kIdsAtOnce && !waiting_.empty(); ++n) {
    payload += " " + hex_encode(waiting_.begin()->bytes());
    waiting_.erase(waiting_.begin());
  }
  return payload;
}

void NodeBus::say(const std::string& payload) {
  try {
    const pg::Params params = std::move(pg::Params().add_text(kWakeChannel).add_text(payload));
    sender_.with([&](pg::Connection& connection) { connection.run("SELECT pg_notify($1, $2)", params); });
  } catch (const std::exception& fault) {
    log::debug("node.wake_not_sent", {{"error", fault.what()}});  // the others' sweeps find it
  }
}

void NodeBus::heard(std::string_view payload) {
  if (payload.starts_with(name_)) return;
  auto woken = ids_of(payload);
  const std::lock_guard lock(hearing_);
  if (!deaf_ && !woken.empty() && on_wake_) on_wake_(std::move(woken));
}

void NodeBus::listen() {
  while (!stop_listening_.load()) {
    try {
      const bool fresh = !listener_.open();
      listener_.with([&](pg::Connection& connection) {
        if (fresh) {
          connection.script(fmt::format("LISTEN {}; LISTEN postern_catalog", kWakeChannel));
          catalog_version_ = 0;  // whatever was said in between was not heard
        }
        receive(connection);
        look_at_catalog(connection);
      });
    } catch (const std::exception& fault) {
      log::debug("node.bus_away", {{"error", fault.what()}});
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kAwayPause, [this] { return stopping_; });
    }
  }
}

void NodeBus::receive(pg::Connection& connection) {
  std::vector<DestinationId> woken;
  for (const auto& notice : connection.notices(kCatalogLook)) {
    if (notice.channel != kWakeChannel || notice.payload.starts_with(name_)) continue;
    const auto ids = ids_of(notice.payload);
    woken.insert(woken.end(), ids.begin(), ids.end());
  }
  if (!woken.empty() && on_wake_) on_wake_(std::move(woken));
}

/// After each notification, and twice a second in case one was missed.
void NodeBus::look_at_catalog(pg::Connection& connection) {
  const std::int64_t version = connection.run("SELECT version FROM catalog_state").integer(0, 0);
  const auto listener = [this] {
    const std::lock_guard lock(mutex_);
    return on_catalog_change_;
  }();
  if (!listener) return;  // what changes before somebody listens is told when somebody does
  if (std::exchange(catalog_version_, version) != version) listener();
}

}  // namespace postern::relay
