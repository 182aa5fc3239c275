#pragma once
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/journal.hpp"

namespace postern::simulation {

/// What must never happen, happened.
class Violation : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Sees every call that an app gets, and knows when a second one is nobody's mistake.
class Witness {
 public:
  /// Throws Violation when an earlier call of the same delivery stands unexcused.
  void called(DeliveryId delivery, std::uint32_t attempt);
  void answered(DeliveryId delivery, int status, std::string body);
  void timed_out(DeliveryId delivery);

  /// The relay has committed an answer of the app to this attempt: with another than 2xx it will ask again.
  /// `body`: null when the answer was recorded without.
  void committed(DeliveryId delivery, std::uint32_t attempt, int status, const std::string* body);
  /// The agent's process is gone, and this is what its journal's file holds.
  void agent_died(std::string_view file);

  /// From where nothing may be thrown: judge() throws it.
  void accuse(std::string what) {
    if (accusation_.empty()) accusation_ = std::move(what);
  }
  void judge() const {
    if (!accusation_.empty()) throw Violation(accusation_);
  }

  std::size_t calls() const { return calls_made_; }
  bool saw_success(DeliveryId delivery) const;
  /// The app has said yes, and the agent has not forgotten it by dying.
  bool success_stands(DeliveryId delivery) const;

 private:
  struct Call {
    std::uint32_t attempt = 0;
    int status = 0;  // 0: none yet
    std::string body = {};
    bool excused = false;
    bool succeeded() const { return status >= 200 && status < 300; }
  };
  std::map<DeliveryId, std::vector<Call>> calls_;
  std::size_t calls_made_ = 0;
  std::string accusation_;
};

}  // namespace postern::simulation
