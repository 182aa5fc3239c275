#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/random.hpp"

/// Time-ordered, typed ids: a prefix and a UUIDv7 (RFC 9562) in 26 characters of lower-case Crockford base32,
/// such as evt_01jd8x…; text and bytes sort alike, by time of creation.
namespace postern {

using Uuid = std::array<std::uint8_t, 16>;

std::string uuid_to_text(const Uuid& uuid);
/// Exactly 26 canonical characters; nullopt otherwise.
std::optional<Uuid> uuid_from_text(std::string_view text);
Time uuid_time(const Uuid& uuid);  ///< millisecond precision

/// A tag names the kind: struct EventTag { static constexpr std::string_view prefix = "evt"; };
template <class Tag>
struct Id {
  Uuid uuid{};

  std::string to_string() const { return std::string(Tag::prefix) + "_" + uuid_to_text(uuid); }
  /// nullopt when the prefix is another kind's or the rest is malformed.
  static std::optional<Id> parse(std::string_view text) {
    constexpr std::size_t head = Tag::prefix.size() + 1;
    if (text.size() < head || !text.starts_with(Tag::prefix) || text[head - 1] != '_') return std::nullopt;
    const auto uuid = uuid_from_text(text.substr(head));
    return uuid ? std::optional(Id{*uuid}) : std::nullopt;
  }
  /// The 16 raw bytes, as the store and the tunnel carry them.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(uuid.data()), uuid.size()}; }
  static std::optional<Id> from_bytes(std::string_view bytes) {
    if (bytes.size() != 16) return std::nullopt;
    Id id;
    for (std::size_t i = 0; i < 16; ++i) id.uuid[i] = static_cast<std::uint8_t>(bytes[i]);
    return id;
  }
  Time time() const { return uuid_time(uuid); }
  bool is_nil() const { return uuid == Uuid{}; }
  auto operator<=>(const Id&) const = default;
};

struct WorkspaceTag {
  static constexpr std::string_view prefix = "wsp";
};
struct SourceTag {
  static constexpr std::string_view prefix = "src";
};
struct DestinationTag {
  static constexpr std::string_view prefix = "dst";
};
struct RouteTag {
  static constexpr std::string_view prefix = "rte";
};
struct EventTag {
  static constexpr std::string_view prefix = "evt";
};
struct DeliveryTag {
  static constexpr std::string_view prefix = "dlv";
};
struct AgentTag {
  static constexpr std::string_view prefix = "agt";
};
struct KeyTag {
  static constexpr std::string_view prefix = "key";
};
struct AuditTag {
  static constexpr std::string_view prefix = "aud";
};
struct ReplayTag {
  static constexpr std::string_view prefix = "rpl";
};
struct JoinTag {
  static constexpr std::string_view prefix = "jn";
};

using WorkspaceId = Id<WorkspaceTag>;
using SourceId = Id<SourceTag>;
using DestinationId = Id<DestinationTag>;
using RouteId = Id<RouteTag>;
using EventId = Id<EventTag>;
using DeliveryId = Id<DeliveryTag>;
using AgentId = Id<AgentTag>;
using KeyId = Id<KeyTag>;
using AuditId = Id<AuditTag>;
using ReplayId = Id<ReplayTag>;
using JoinId = Id<JoinTag>;

/// Makes ids that only ever grow within this process, even when the wall clock steps back. The 12 bits after
/// the millisecond are a fraction of it (RFC 9562, 6.2, method 3), so that ids of several processes sort by
/// their time to a quarter of a microsecond, as far as their clocks agree; what does not fit in counts up.
/// Safe from any thread.
class IdGenerator {
 public:
  IdGenerator(const Clock& clock, Random& random) : clock_(clock), random_(random) {}

  template <class Tag>
  Id<Tag> make() {
    return Id<Tag>{next()};
  }
  template <class IdType>
  IdType of() {
    return IdType{next()};
  }

 private:
  Uuid next();

  const Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  std::uint64_t last_ = 0;        // milliseconds << 12 | 4096ths of one
  std::array<char, 512> pool_{};  // random bytes fetched in bulk: one system call for 64 ids
  std::size_t pool_used_ = sizeof pool_;
};

}  // namespace postern

template <class Tag>
struct std::hash<postern::Id<Tag>> {
  std::size_t operator()(const postern::Id<Tag>& id) const noexcept {
    return std::hash<std::string_view>()(id.bytes());
  }
};
