#pragma once
#include "relay/store/repositories.hpp"

namespace postern::relay {

/// The numbers of the table's column. With events go the replays that ended before that time.
enum class Retained { bodies, events, attempts };
std::string_view to_text(Retained what);

/// What of one workspace is past its time.
struct RetentionJob {
  WorkspaceId workspace_id;
  Retained what = Retained::bodies;
  Time before;  ///< older than this
};

struct RetentionBatch {
  std::size_t looked_at = 0;
  std::size_t removed = 0;
};

/// Removes what is past its time, in bounded batches: a walk in order of time that never looks twice at the
/// same rows, except at those it had to pass by because an open delivery needs them.
class RetentionRepository {
 public:
  static constexpr std::size_t kBatch = 200;

  /// `partitioned`: attempts go by the day, with their partition (PostgreSQL), and are left to that.
  RetentionRepository(Transaction& tx, bool partitioned) : tx_(tx), partitioned_(partitioned) {}

  /// One node removes at a time. False while another has the turn.
  bool take_turn(std::string_view runner, Time now, Time until);
  /// Whether `remove` would find anything to look at.
  bool pending(const RetentionJob& job, Time now);
  RetentionBatch remove(const RetentionJob& job, Time now);
  /// How many are past their time and still there because an open delivery needs them.
  std::uint64_t kept(Retained what);
  std::optional<Time> oldest_event();

 private:
  struct Mark {
    std::int64_t at = 0, row = 0;
    DeliveryId cursor;
  };
  /// A condition on `event e`; ?1 is the workspace.
  struct Chosen {
    std::string where;
    std::vector<Value> values;
    std::size_t count = 0;
    Mark end;
  };
  Mark mark(const RetentionJob& job);
  void set_mark(const RetentionJob& job, const Mark& mark);
  Chosen next_events(const RetentionJob& job);
  std::string needed(const RetentionJob& job, Chosen& chosen, Time now);
  std::size_t remove_events(const RetentionJob& job, Chosen chosen, Time now);
  void pass_by(const RetentionJob& job, const Chosen& chosen, const std::string& condition, Time now);
  RetentionBatch walk_events(const RetentionJob& job, Time now);
  RetentionBatch walk_attempts(const RetentionJob& job, Time now);
  RetentionBatch look_again(const RetentionJob& job, Time now);
  void keep_on_list(const RetentionJob& job, std::int64_t row, Time now);
  bool look_again_at(const RetentionJob& job, std::int64_t row, Time now);
  bool has_old_replays(const RetentionJob& job);
  std::size_t forget_replays(const RetentionJob& job);
  bool attempts_done(const RetentionJob& job, std::int64_t row);
  std::size_t remove_attempts(const RetentionJob& job, std::int64_t delivery_row);
  std::int64_t change(std::string_view sql, const std::vector<Value>& values);

  Transaction& tx_;
  const bool partitioned_;
};

}  // namespace postern::relay
