#include "relay/bus/nats_link.hpp"

#include <nats/nats.h>

#include <array>
#include <mutex>
#include <unordered_map>

#include "base/log.hpp"

namespace postern::relay {
namespace {

/// What the library's callbacks are given instead of pointers: a number that leads to the receiver for as
/// long as it is registered. The library promises no moment after which a callback can't come any more; so
/// none needs to be awaited, and a late one finds nothing.
class Closures {
 public:
  struct Entry {
    std::weak_ptr<NatsLinkEvents> events;
    std::uint64_t link = 0;
    std::uint64_t tag = 0;
  };

  std::uint64_t reserve() {
    const std::lock_guard lock(mutex_);
    return ++last_;
  }
  void set(std::uint64_t id, Entry entry) {
    const std::lock_guard lock(mutex_);
    entries_[id] = std::move(entry);
  }
  void erase(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    entries_.erase(id);
  }
  Entry find(void* closure) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(reinterpret_cast<std::uintptr_t>(closure));
    return found == entries_.end() ? Entry{} : found->second;
  }
  static void* pointer(std::uint64_t id) {
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(id));  // NOLINT: never dereferenced
  }

 private:
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, Entry> entries_;
};

// Never destroyed: the library's threads may outlive main().
Closures& closures() {
  static auto* all = new Closures;
  return *all;
}

/// The library's words, without its "(file.c:123): " in front.
std::string last_error(natsStatus status) {
  const char* said = nats_GetLastError(nullptr);
  const std::string text = natsStatus_GetText(status);
  std::string_view detail = said == nullptr ? "" : said;
  if (const auto place = detail.find("): "); detail.starts_with('(') && place != std::string_view::npos)
    detail.remove_prefix(place + 3);
  return detail.empty() || detail == text ? text : fmt::format("{}: {}", text, detail);
}

NatsAnswer answer_in(natsMsg* message) {
  NatsAnswer answer;
  answer.kind =
      natsMsg_IsNoResponders(message) ? NatsAnswer::Kind::no_responders : NatsAnswer::Kind::answered;
  const int length = natsMsg_GetDataLength(message);
  if (length > 0) answer.data.assign(natsMsg_GetData(message), static_cast<std::size_t>(length));
  return answer;
}

void message_came(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  const auto entry = closures().find(closure);
  if (const auto events = entry.events.lock())
    events->on_message(entry.link, entry.tag, natsMsg_GetSubject(message), answer_in(message));
  natsMsg_Destroy(message);
}

void connection_closed(natsConnection* connection, void* closure) {
  const auto entry = closures().find(closure);
  const auto events = entry.events.lock();
  if (!events) return;
  const char* why = nullptr;
  const natsStatus status = natsConnection_GetLastError(connection, &why);
  const bool said = why != nullptr && *why != '\0';
  events->on_lost(entry.link, said ? why : natsStatus_GetText(status));
}

/// What no call of ours returns: the server refused a subject, or a subscription is too slow.
void error_came(natsConnection* connection, natsSubscription*, natsStatus status, void*) {
  const char* why = nullptr;
  natsConnection_GetLastError(connection, &why);
  log::warn("nats.error", {{"error", natsStatus_GetText(status)}, {"detail", why == nullptr ? "" : why}});
}

std::int64_t milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

bool wants_tls(const NatsOptions& options) {
  if (!options.ca_file.empty()) return true;
  for (const std::string& server : options.servers) {
    if (server.starts_with("tls://")) return true;
  }
  return false;
}

/// Stops at the first step that fails.
class Steps {
 public:
  template <class Step>
  Steps& then(Step step) {
    if (status_ == NATS_OK) status_ = step();
    return *this;
  }
  natsStatus status() const { return status_; }

 private:
  natsStatus status_ = NATS_OK;
};

natsStatus fill(natsOptions* out, const NatsOptions& options, void* closure) {
  std::vector<const char*> servers;
  servers.reserve(options.servers.size());
  for (const std::string& server : options.servers) servers.push_back(server.c_str());
  Steps steps;
  steps.then([&] { return natsOptions_SetServers(out, servers.data(), static_cast<int>(servers.size())); })
      .then([&] { return natsOptions_SetName(out, options.name.c_str()); })
      .then([&] { return natsOptions_SetAllowReconnect(out, false); })
      .then([&] { return natsOptions_SetTimeout(out, milliseconds(options.connect_time)); })
      .then([&] { return natsOptions_SetWriteDeadline(out, milliseconds(options.write_time)); })
      .then([&] { return natsOptions_SetPingInterval(out, 5000); })
      .then([&] { return natsOptions_SetMaxPingsOut(out, 2); })
      .then([&] { return natsOptions_SetErrorHandler(out, error_came, nullptr); })
      .then([&] { return natsOptions_SetClosedCB(out, connection_closed, closure); });
  if (wants_tls(options)) steps.then([&] { return natsOptions_SetSecure(out, true); });
  if (!options.ca_file.empty())
    steps.then([&] { return natsOptions_LoadCATrustedCertificates(out, options.ca_file.c_str()); });
  if (!options.credentials_file.empty()) {
    steps.then([&] {
      return natsOptions_SetUserCredentialsFromFiles(out, options.credentials_file.c_str(), nullptr);
    });
  }
  return steps.status();
}

natsStatus connect(natsConnection** connection, const NatsOptions& options, void* closure) {
  natsOptions* made = nullptr;
  natsStatus status = natsOptions_Create(&made);
  if (status == NATS_OK) status = fill(made, options, closure);
  if (status == NATS_OK) status = natsConnection_Connect(connection, made);
  natsOptions_Destroy(made);
  return status;
}

std::string new_inbox() {
  natsInbox* inbox = nullptr;
  if (natsInbox_Create(&inbox) != NATS_OK) return {};
  std::string text(inbox);
  natsInbox_Destroy(inbox);
  return text;
}

std::string_view code_of(natsStatus status) {
  switch (status) {
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_DRAINING:
    case NATS_INSUFFICIENT_BUFFER:
      return "nats_not_connected";
    case NATS_MAX_PAYLOAD:
      return "nats_too_large";
    case NATS_INVALID_SUBJECT:
    case NATS_INVALID_ARG:
      return "nats_refused";
    case NATS_NO_SERVER_SUPPORT:
    case NATS_NO_MEMORY:
      return "nats_unusable";
    default:
      return "nats_write_failed";
  }
}

natsStatus publish_with_headers(natsConnection* connection, const NatsMessage& message, const char* reply) {
  natsMsg* made = nullptr;
  natsStatus status = natsMsg_Create(&made, message.subject.c_str(), reply, message.data.data(),
                                     static_cast<int>(message.data.size()));
  for (const http::Header& header : message.headers) {
    if (status == NATS_OK) status = natsMsgHeader_Set(made, header.name.c_str(), header.value.c_str());
  }
  if (status == NATS_OK) status = natsConnection_PublishMsg(connection, made);
  natsMsg_Destroy(made);
  return status;
}

}  // namespace

struct NatsLink::Handles {
  natsConnection* connection = nullptr;
  std::vector<natsSubscription*> subscriptions;
};

NatsLink::NatsLink(std::weak_ptr<NatsLinkEvents> events)
    : events_(std::move(events)),
      id_(closures().reserve()),
      inbox_(new_inbox()),
      handles_(std::make_unique<Handles>()) {
  closures().set(id_, {events_, id_, 0});
  closures_.push_back(id_);
}

Result<std::unique_ptr<NatsLink>> NatsLink::open(const NatsOptions& options,
                                                 std::weak_ptr<NatsLinkEvents> events) {
  std::unique_ptr<NatsLink> link(new NatsLink(std::move(events)));
  const natsStatus status = connect(&link->handles_->connection, options, Closures::pointer(link->id_));
  if (status != NATS_OK || link->inbox_.empty()) return fail("nats_unreachable", last_error(status));
  if (auto done = link->subscribe(link->inbox_ + ".*", 0); !done) return std::unexpected(done.error());
  return link;
}

NatsLink::~NatsLink() {
  for (const std::uint64_t id : closures_) closures().erase(id);
  for (auto* subscription : handles_->subscriptions) natsSubscription_Destroy(subscription);
  natsConnection_Destroy(handles_->connection);
}

Result<void> NatsLink::subscribe(const std::string& subject, std::uint64_t tag) {
  const std::uint64_t closure = closures().reserve();
  closures().set(closure, {events_, id_, tag});
  closures_.push_back(closure);
  natsSubscription* made = nullptr;
  const natsStatus status = natsConnection_Subscribe(&made, handles_->connection, subject.c_str(),
                                                     message_came, Closures::pointer(closure));
  if (status != NATS_OK) return fail(std::string(code_of(status)), last_error(status));
  handles_->subscriptions.push_back(made);
  return {};
}

Result<void> NatsLink::publish(const NatsMessage& message, const std::string& reply) {
  const natsStatus status =
      publish_with_headers(handles_->connection, message, reply.empty() ? nullptr : reply.c_str());
  if (status == NATS_OK) return {};
  return fail(std::string(code_of(status)), last_error(status));
}

std::string NatsLink::server() const {
  std::array<char, 512> url{};
  if (natsConnection_GetConnectedUrl(handles_->connection, url.data(), url.size()) != NATS_OK) return "nats";
  return nats_server_shown(url.data());
}

std::size_t NatsLink::max_payload() const {
  const std::int64_t most = natsConnection_GetMaxPayload(handles_->connection);
  return most > 0 ? static_cast<std::size_t>(most) : 0;
}

bool NatsLink::closed() const {
  return natsConnection_IsClosed(handles_->connection);
}

void NatsLink::release_thread() {
  nats_ReleaseThreadMemory();
}

}  // namespace postern::relay
