#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/result_keeper.hpp"

namespace postern::agent {

/// Which deliveries are under way and who waits for what comes of each: the rules by which an app is called
/// once (SPEC.md, section 7). No I/O, and no time. `Stream` has `head()`, and `cancelled()`, which is true
/// once an answer would go nowhere.
template <class Stream>
class CallBook {
 public:
  using StreamPtr = std::shared_ptr<Stream>;

  struct Call {
    std::vector<StreamPtr> streams;  ///< the first is the one whose request is made
    bool begun = false;              ///< the app may have heard of it
    bool over = false;

    const tunnel::DeliverHead& head() const { return streams.front()->head(); }
    bool wanted() const {
      return std::ranges::any_of(streams, [](const auto& stream) { return !stream->cancelled(); });
    }
    std::uint32_t attempt() const {
      std::uint32_t latest = 0;
      for (const auto& stream : streams) latest = std::max(latest, stream->head().attempt);
      return latest;
    }
  };
  using CallPtr = std::shared_ptr<Call>;

  /// `most` calls at once: streams are bounded by what was granted, but calls outlive theirs.
  CallBook(ResultKeeper& results, std::size_t most) : results_(results), most_(most) {}

  /// Exactly one of them, or none: there are too many, or it has been overtaken and nobody waits for it.
  struct Arrival {
    CallPtr fresh;   ///< to be made
    CallPtr joined;  ///< under way already: it will be told
    std::optional<Outcome> known;
    bool elsewhere = false;  ///< under way in another process: ended_elsewhere() gives it back
  };
  Arrival arrived(StreamPtr stream) {
    const tunnel::DeliverHead& head = stream->head();
    if (const auto other = elsewhere_.find(head.delivery_id); other != elsewhere_.end()) {
      auto& waiting = other->second.streams;
      std::erase_if(waiting, [](const auto& earlier) { return earlier->cancelled(); });
      waiting.push_back(std::move(stream));
      return {.fresh = nullptr, .joined = nullptr, .known = {}, .elsewhere = true};
    }
    const auto found = calls_.find(head.delivery_id);
    // One that has lost its stream before it began is on its way out.
    if (found != calls_.end() && (found->second->begun || found->second->wanted())) {
      auto& streams = found->second->streams;
      streams.erase(std::remove_if(streams.begin() + 1, streams.end(),
                                   [](const auto& other) { return other->cancelled(); }),
                    streams.end());
      streams.push_back(std::move(stream));
      return {.fresh = nullptr, .joined = found->second, .known = {}};
    }
    if (auto known = results_.answer_for(head))
      return {.fresh = nullptr, .joined = nullptr, .known = std::move(known)};
    if (calls_.size() >= most_ || results_.is_overtaken(head)) return {};
    auto call = std::make_shared<Call>();
    const DeliveryId id = head.delivery_id;
    call->streams.push_back(std::move(stream));
    calls_[id] = call;
    return {.fresh = call, .joined = nullptr, .known = {}};
  }

  /// Just before the app is called. False when nobody waits for it any more: then it must not be.
  bool begin(Call& call) {
    if (call.over || !call.wanted()) return false;
    call.begun = true;
    return true;
  }

  /// What came of it. Kept, if the app may have heard of it; returns who is to be told, the first of them the
  /// one whose request was made. Nobody, when it was over already.
  std::vector<StreamPtr> over(const CallPtr& call, const tunnel::ResultHead& head, const std::string& body) {
    if (std::exchange(call->over, true)) return {};
    results_.keep(call->head().delivery_id, {call->attempt(), head, body});
    leave(call);
    return call->streams;
  }
  /// It ended without an outcome: a fault. What joins it later is a call of its own.
  void leave(const CallPtr& call) {
    const auto found = calls_.find(call->head().delivery_id);
    if (found == calls_.end() || found->second != call) return;
    calls_.erase(found);
    if (!call->over) results_.left(call->head().delivery_id);
  }

  /// Another process of this agent is at these, and will say what comes of each: nobody calls for them here.
  void inherit(std::span<const DeliveryId> ids) {
    for (const DeliveryId id : ids) elsewhere_.try_emplace(id);
  }
  /// What came of it there; without an outcome: nobody knows. Returns who has waited for that: they are to
  /// arrive anew, and find the outcome if it answers them.
  std::vector<StreamPtr> ended_elsewhere(DeliveryId id, const std::optional<Outcome>& outcome) {
    auto node = elsewhere_.extract(id);
    if (node.empty()) return {};
    Elsewhere& other = node.mapped();
    if (outcome && other.acknowledged < outcome->attempt) {
      results_.keep(id, *outcome);
    } else {
      results_.left(id);
    }
    std::erase_if(other.streams, [](const auto& stream) { return stream->cancelled(); });
    return std::move(other.streams);
  }
  /// The relay may say so before the other process does.
  void acknowledged(std::span<const tunnel::ResultAck> acks) {
    for (const tunnel::ResultAck& ack : acks) {
      const auto found = elsewhere_.find(ack.delivery_id);
      if (found == elsewhere_.end()) continue;
      found->second.acknowledged = std::max(found->second.acknowledged, ack.attempt);
    }
    results_.forget(acks);
  }
  /// All that an app may hear of yet, here or elsewhere.
  std::vector<DeliveryId> under_way() const {
    std::vector<DeliveryId> ids;
    ids.reserve(calls_.size() + elsewhere_.size());
    for (const auto& [id, call] : calls_) ids.push_back(id);
    for (const auto& [id, other] : elsewhere_) ids.push_back(id);
    return ids;
  }
  std::vector<DeliveryId> under_way_elsewhere() const {
    std::vector<DeliveryId> ids;
    ids.reserve(elsewhere_.size());
    for (const auto& [id, other] : elsewhere_) ids.push_back(id);
    return ids;
  }

  std::size_t size() const { return calls_.size(); }
  void allow(std::size_t most) { most_ = most; }

 private:
  struct Elsewhere {
    std::vector<StreamPtr> streams;  ///< that wait for the other process's word
    std::uint32_t acknowledged = 0;  ///< up to this attempt
  };

  ResultKeeper& results_;
  std::size_t most_;
  std::unordered_map<DeliveryId, Elsewhere> elsewhere_;
  std::unordered_map<DeliveryId, CallPtr> calls_;
};

}  // namespace postern::agent
