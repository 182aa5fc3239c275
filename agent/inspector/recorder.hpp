#pragma once
#include <deque>
#include <functional>
#include <memory>

#include "agent/inspector/record.hpp"

namespace postern::agent::inspector {

struct RecorderLimits {
  std::size_t records = 200;
  std::size_t bytes = std::size_t{16} * 1024 * 1024;  ///< of all records together
  std::size_t body_bytes = std::size_t{256} * 1024;   ///< kept of each body
};

/// The last deliveries, as they pass. Beyond its limits the oldest goes, also one that still runs; what is
/// said of one that has gone is lost. One loop; `clock` outlives it.
class Recorder {
 public:
  explicit Recorder(const Clock& clock, RecorderLimits limits = {}) : clock_(clock), limits_(limits) {}

  std::uint64_t began(const tunnel::DeliverHead& head, std::optional<std::uint64_t> resend_of = {});
  void body(std::uint64_t number, std::string_view bytes);
  /// The first word counts. Without a result: given up.
  void ended(std::uint64_t number, const tunnel::ResultHead* result, std::string_view body);

  /// All that it has, for good: it takes nothing any more.
  void forget();

  const std::deque<Record>& records() const { return records_; }
  const Record* find(std::uint64_t number) const;
  /// How often `number`, or what it repeats, has been sent again, this time included.
  unsigned count_resend(std::uint64_t number);
  std::uint64_t revision() const { return revision_; }
  std::size_t bytes() const { return bytes_; }
  /// Called at each change; may be empty.
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

 private:
  Record* look_up(std::uint64_t number);
  KeptBody keep(std::string_view bytes);
  void change(Record& record);
  void make_room();

  const Clock& clock_;
  const RecorderLimits limits_;
  std::deque<Record> records_;
  bool forgets_ = false;
  std::uint64_t next_ = 1;
  std::uint64_t revision_ = 0;
  std::size_t bytes_ = 0;
  std::function<void()> changed_;
};

/// One delivery's way into the recorder. Without a recorder it does nothing; destroyed before ended(), it
/// says that the delivery was given up.
class Recording {
 public:
  Recording() = default;
  Recording(std::shared_ptr<Recorder> recorder, const tunnel::DeliverHead& head,
            std::optional<std::uint64_t> resend_of = {});
  Recording(Recording&& other) noexcept = default;
  Recording& operator=(Recording&& other) noexcept;
  ~Recording() { give_up(); }

  void body(std::string_view bytes);
  void ended(const tunnel::ResultHead& result, std::string_view body);
  std::uint64_t number() const { return number_; }

 private:
  void give_up();
  std::shared_ptr<Recorder> recorder_;  ///< null: none, or it has ended
  std::uint64_t number_ = 0;
};

}  // namespace postern::agent::inspector
