#pragma once
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "relay/delivery/breaker.hpp"
#include "relay/destinations/destination.hpp"

namespace postern::relay {

/// The breakers of one destination's parts (the subjects of one of kind nats), by its policy: one subject
/// that no stream takes holds up no other. Each is a Breaker like the destination's own.
///
/// A bounded number is remembered; then the one that was not asked for the longest goes, closed ones first:
/// what is forgotten is let through and judged anew. Nothing of it is shared with other nodes. Safe from any
/// thread; a short lock.
class PartBreakers final : public PartGate {
 public:
  static constexpr std::size_t kMost = 256;
  /// Half-open with all places taken: when to ask again. And when those who took them are given up, because
  /// they never told: longer than an attempt may take.
  static constexpr Duration kAskAgain = std::chrono::seconds(5);
  static constexpr Duration kProbesLost = std::chrono::minutes(10);

  PartBreakers(const Clock& clock, const BreakerPolicy& policy) : clock_(clock), policy_(policy) {}

  Pass begin(const std::string& part) override;
  /// What came of an attempt that begin() let through. True: the state of the part has changed.
  bool record(const std::string& part, std::uint64_t round, Health health);
  void configure(const BreakerPolicy& policy);
  void reset();  ///< all are closed, with a clean slate

  struct Status {
    std::string part;
    BreakerSnapshot breaker;
    Breaker::Counts failures;
  };
  std::vector<Status> not_closed() const;  ///< by name
  std::size_t remembered() const;

 private:
  struct Entry {
    Breaker breaker;
    std::list<const std::string*>::iterator place;  ///< in asked_
  };
  Entry& find_or_make(const std::string& part);
  void make_room();

  const Clock& clock_;
  mutable std::mutex mutex_;
  BreakerPolicy policy_;
  std::map<std::string, Entry> entries_;
  std::list<const std::string*> asked_;  ///< keys of entries_, the latest first
};

}  // namespace postern::relay
