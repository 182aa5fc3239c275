#pragma once
#include "relay/replay/step.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {

/// One source, one destination, and deliveries that ended.
class ReplayFixture : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    source = make_source(workspace, "shop");
    destination = make_destination(workspace, "app");
  }

  /// Deliveries of that many new events, each ended in `state`.
  std::vector<DeliveryId> ended(std::size_t count, DeliveryState state,
                                const std::string& type = "invoice.paid",
                                const std::string& reason = "retries_exhausted") {
    std::vector<DeliveryId> made;
    for (std::size_t i = 0; i < count; ++i) {
      Event event = make_event(workspace, source.id, fmt::format("k{}", ++events_));
      event.type = type;
      NewEvent with = with_deliveries(std::move(event), {destination.id});
      made.push_back(with.deliveries.front().id);
      EXPECT_TRUE(append(std::move(with)));
    }
    end_leased(state, reason);
    return made;
  }
  void end_leased(DeliveryState state, const std::string& reason) {
    std::vector<Completion> completions;
    for (const LeasedDelivery& leased : std::exchange(intake.leased, {})) {
      completions.push_back(completion(leased, state));
      completions.back().reason = reason;
    }
    complete(std::move(completions));
  }
  void end_made(DeliveryState state) {
    clock.advance(std::chrono::seconds(3));
    std::vector<Completion> completions;
    for (const LeasedDelivery& leased : claim_due(1000)) completions.push_back(completion(leased, state));
    complete(std::move(completions));
  }

  Replay begin(ReplayFilter filter = {}, unsigned rate = 1000,
               ReplayConfiguration configuration = ReplayConfiguration::original) {
    clock.advance(std::chrono::milliseconds(1));
    Replay replay;
    replay.id = ids.of<ReplayId>();
    replay.workspace_id = workspace;
    replay.filter = std::move(filter);
    replay.filter.until = clock.now();
    replay.cursor = ReplayRepository::start_of(replay.filter);
    replay.rate = rate;
    replay.configuration = configuration;
    replay.created_at = replay.paced_until = replay.next_step_at = clock.now();
    EXPECT_TRUE(write_void([&](Transaction& tx) { return ReplayRepository(tx).create(replay); }));
    return replay;
  }
  using Stepped = Result<std::optional<std::size_t>>;
  Stepped step(ReplayId id, const std::string& runner = std::string(16, 'a'),
               const Decisions& decisions = {}) {
    StepContext context{.runner = runner};
    return write<std::optional<std::size_t>>([&](Transaction& tx) {
      return replay_step(tx, {id, workspace}, context, decisions, ids, clock.now());
    });
  }
  Replay get(ReplayId id) {
    return read([&](Transaction& tx) { return ReplayRepository(tx).get(workspace, id); }).value();
  }
  /// Steps, with everything it makes ending at once, until it is not running.
  Replay finish(ReplayId id, DeliveryState each = DeliveryState::delivered) {
    for (int i = 0; i < 100 && get(id).state == ReplayState::running; ++i) {
      EXPECT_TRUE(step(id));
      end_made(each);
    }
    return get(id);
  }
  std::vector<Delivery> made_by(ReplayId id) {
    DeliveryFilter filter;
    filter.replay_id = id;
    return read([&](Transaction& tx) { return DeliveryRepository(tx).list(workspace, filter, {500, ""}); })
        .items;
  }

  Source source;
  Destination destination;

 private:
  int events_ = 0;
};

}  // namespace postern::relay
