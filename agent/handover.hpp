#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/journal.hpp"
#include "base/error.hpp"

/// How an agent's process gives its place to one that runs a newer program, without a pause. The
/// *predecessor* starts the *successor*, and the two talk over a pair of sockets until the predecessor has
/// nothing left to do:
///
///     predecessor                                   successor
///     starts it; greeting ────────────────────────▶ loads its configuration, logs in as the same instance,
///       (goes on delivering; dials nobody)            in the same seats; holds the relay's probes
///       unanswered,
///                              ◀──────────── ready    so nothing comes to it yet
///     holds what comes; closes the journal
///     acked: what the relay has committed ────────▶
///     handed: what is under way ──────────────────▶ reads the journal, saves the state, writes the status
///                              ◀──────────── taken    answers the probes: the relay delivers to it from here
///     leaves its sessions; gives back what it has held
///     outcome, left, acked ───────────────────────▶ journals, answers those who wait for it
///     ends with its last call
///
/// Until `taken` the predecessor can go on as if nothing had been: it says `withdrawn` and kills the
/// successor first. The successor begins no call before it has sent it. When the channel ends without
/// `withdrawn` the predecessor is dead: the successor takes what is on disk, and calls that were under way
/// are as those of an agent that was killed. When the successor dies after `taken` nobody serves: the
/// predecessor takes the journal back, writes there what comes of its calls, and ends as one that is told to
/// stop.
///
/// A frame is `type u8 | length u32 | payload`, big endian. The two are of different versions: types that one
/// does not know it skips, members of the greeting too. No I/O.
namespace postern::agent {

enum class HandoverType : std::uint8_t {
  greeting = 1,   ///< Greeting
  handed = 2,     ///< ids of the deliveries under way, 16 bytes each
  outcome = 3,    ///< id 16, attempt u32, length of the head u32, the head as RESULT carries it, the body
  left = 4,       ///< id 16: that call ended without an outcome
  acked = 5,      ///< any number of id 16, attempt u32: RESULT_ACKs that the relay sent to the predecessor
  withdrawn = 6,  ///< the predecessor goes on, or both are to stop: the successor must not take over
  trouble = 16,   ///< text: why the successor has no session yet
  ready = 17,
  taken = 18,
  logged_in = 19,  ///< generation u64 of a login: what the predecessor's next one has to show
};

/// Who the predecessor is.
struct Greeting {
  Uuid instance{};
  Uuid previous_instance{};
  std::uint64_t generation = 0;  ///< of the last login
  int pid = 0;
};

struct HandoverFrame {
  HandoverType type{};
  std::string payload;
};

inline constexpr std::size_t kHandoverPayloadMost = std::size_t{1024} * 1024;
using ReportedOutcome = std::pair<DeliveryId, Outcome>;

std::string encode_frame(HandoverType type, std::string_view payload = {});
std::string encode_greeting(const Greeting& greeting);
std::string encode_ids(std::span<const DeliveryId> ids);
/// nullopt for one that cannot be told: its head is too large.
std::optional<std::string> encode_outcome(DeliveryId id, const Outcome& outcome);
std::string encode_generation(std::uint64_t generation);
std::string encode_acks(std::span<const tunnel::ResultAck> acks);

// Error `malformed`.
Result<Greeting> decode_greeting(std::string_view payload);
Result<std::vector<DeliveryId>> decode_ids(std::string_view payload);
Result<ReportedOutcome> decode_outcome(std::string_view payload);
Result<std::vector<tunnel::ResultAck>> decode_acks(std::string_view payload);
Result<std::uint64_t> decode_generation(std::string_view payload);

/// Cuts a stream of bytes into frames.
class HandoverReader {
 public:
  void feed(std::string_view bytes) { pending_ += bytes; }
  /// The next whole one, if there is any. Error `malformed`: longer than kHandoverPayloadMost; then nothing
  /// that follows can be read.
  Result<std::optional<HandoverFrame>> next();

 private:
  std::string pending_;
};

}  // namespace postern::agent
