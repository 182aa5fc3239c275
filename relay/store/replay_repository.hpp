#pragma once
#include "relay/store/catalog.hpp"
#include "relay/store/repositories.hpp"

namespace postern::relay {

enum class ReplayState { running, done, cancelled, failed };
std::string_view to_text(ReplayState state);

/// What a replay sends.
enum class ReplayConfiguration {
  original,  ///< the bytes that were sent first, to where they went
  current,   ///< what the routes make of the event when the replay comes to it
};
std::string_view to_text(ReplayConfiguration configuration);

/// Which deliveries a replay repeats. Of a delivery that was replayed already only the newest repeat counts,
/// so that each event arrives once more, however many replays meet.
struct ReplayFilter {
  DeliveryState state = DeliveryState::dead;  ///< a terminal one
  std::optional<SourceId> source_id{};
  std::optional<DestinationId> destination_id{};
  std::string type{};           ///< exact; empty: any
  std::string reason{};         ///< as in DeliveryFilter; empty: any
  std::optional<Time> since{};  ///< created_at in [since, until)
  Time until{};                 ///< never after the replay's own creation: it must not meet what it made
};

struct Replay {
  ReplayId id;
  WorkspaceId workspace_id;
  ReplayState state = ReplayState::running;
  ReplayFilter filter;
  ReplayConfiguration configuration = ReplayConfiguration::original;
  unsigned rate = 50;                                 ///< deliveries a second
  std::uint64_t estimate = 0;                         ///< how many matched when it was created
  bool estimate_cut = false;                          ///< there were more than were looked at
  DeliveryId cursor;                                  ///< the last delivery it has looked at
  bool walked = false;                                ///< it has looked at all of them
  std::uint64_t made = 0, delivered = 0, failed = 0;  ///< what was made, and what became of it
  std::uint64_t skipped_expired = 0;                  ///< the body is past its retention
  std::uint64_t skipped_gone = 0;                     ///< the destination is not there any more
  std::uint64_t skipped_unrouted = 0;                 ///< current: no route leads there any more
  Time paced_until;                                   ///< the next delivery is due then
  Time next_step_at;                                  ///< nothing to do for it before
  std::string error;                                  ///< failed: why; running: what it waits for
  Time created_at;
  std::optional<Time> started_at{}, finished_at{};
  std::int64_t step = 0;  ///< grows with each piece of work: of two that do the same one, one finds it done

  std::uint64_t open() const { return made - delivered - failed; }
};

struct ReplayCount {
  std::uint64_t matching = 0;
  bool cut = false;  ///< only the first ones were looked at: there may be more
  std::vector<Delivery> sample;
};

/// One delivery in the way of a replay.
struct ReplayCandidate {
  DeliveryId id;
  std::int64_t event_row = 0;
  SourceId source_id;
  DestinationId destination_id;
  bool matches = false;
  bool body_expired = false;
  bool destination_gone = false;
};

/// What a decision of the routes rests on: it counts for as long as this is the same.
struct RouteBasis {
  std::string filter, transform;
  Ordering ordering = Ordering::none;
  std::string ordering_key;
  bool operator==(const RouteBasis&) const = default;
};
/// nullopt: no enabled route goes there.
std::optional<RouteBasis> route_basis(const Catalog& catalog, SourceId source, DestinationId destination);

class ReplayRepository {
 public:
  static constexpr std::size_t kRunningMost = 10;  ///< in one workspace

  explicit ReplayRepository(Transaction& tx) : tx_(tx) {}
  /// The cursor of a new replay.
  static DeliveryId start_of(const ReplayFilter& filter);
  /// Error `too_many_replays` above kRunningMost.
  Result<void> create(const Replay& replay);
  Result<Replay> get(WorkspaceId workspace, ReplayId id);
  Listing<Replay> list(WorkspaceId workspace, const Page& page);
  /// Stops it, and cancels what it has made and nobody has begun. Error `not_running`.
  Result<Replay> cancel(WorkspaceId workspace, ReplayId id, Time now);
  /// Of the first 50 000 deliveries in that state, how many match; and a few of them. What routes' programs
  /// settled matches only under the current configuration: it has no bytes that could be sent again.
  ReplayCount count(WorkspaceId workspace, const ReplayFilter& filter, ReplayConfiguration configuration);

  /// Of all workspaces: those that `runner` may work on now, the longest waiting first.
  struct Due {
    ReplayId id;
    WorkspaceId workspace_id;
  };
  std::vector<Due> due(ReplayConfiguration configuration, std::string_view runner, Time now,
                       std::size_t limit);
  /// Takes it for `runner` until `until`. nullopt when another one has it or it is not running any more.
  std::optional<Replay> claim(const Due& which, std::string_view runner, Time now, Time until);
  /// What became of the open ones it made: counted into `replay`.
  void settle(Replay& replay);
  /// The next deliveries of its walk, at most `limit`.
  std::vector<ReplayCandidate> next(const Replay& replay, std::size_t limit);
  /// The event behind one of them, body and all; null when it is not there any more.
  std::shared_ptr<const Event> event(WorkspaceId workspace, const ReplayCandidate& of);
  /// As it is committed.
  std::optional<RouteBasis> basis(const ReplayCandidate& of);
  /// A new pending delivery, due at `at`.
  DeliveryId make(const Replay& replay, const ReplayCandidate& from, IdGenerator& ids, Time now, Time at);
  /// The same, as its route has decided it: pending, or ended already. Its id and destination are not looked
  /// at.
  DeliveryId make_decided(const Replay& replay, const ReplayCandidate& from, const NewDelivery& decided,
                          IdGenerator& ids, Time now, Time at);
  /// Keeps what a step came to. `conflict` when another one has made this step meanwhile.
  Result<void> record(const Replay& replay);

 private:
  void note(const Replay& replay, DeliveryId made);

  Transaction& tx_;
};

}  // namespace postern::relay
