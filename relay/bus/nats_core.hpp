#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "relay/bus/nats_client.hpp"
#include "relay/bus/nats_link.hpp"
#include "relay/bus/nats_metrics.hpp"
#include "relay/bus/nats_outstanding.hpp"

namespace postern::relay {

/// What is behind NatsClient, shared with the coroutines that wait and the callbacks that run.
///
/// `mutex_` guards what has been handed in; `hearing_` is held while a subscriber's callback runs, so that
/// stop() can wait for it. `Done` callbacks run under `mutex_` and only post.
class NatsCore final : public NatsLinkEvents, public std::enable_shared_from_this<NatsCore> {
 public:
  NatsCore(NatsOptions options, prometheus::Registry& metrics);
  void start();
  void close();  ///< from here on it is away; returns at once
  void stop();   ///< once

  bool connected() const { return connected_; }
  std::size_t max_payload() const { return max_payload_; }

  /// The token, or what to answer at once.
  std::variant<NatsOutstanding::Token, NatsAnswer> send(NatsMessage& message, NatsOutstanding::Done done);
  std::optional<NatsOutstanding::Stage> abandon(NatsOutstanding::Token token);
  bool post(NatsMessage message);
  void subscribe(std::string subject, NatsClient::Heard heard);
  void count(const NatsAnswer& answer) { metrics_.answered(answer.kind); }

  void on_message(std::uint64_t link, std::uint64_t tag, std::string_view subject,
                  NatsAnswer answer) override;
  void on_lost(std::uint64_t link, std::string why) override;

 private:
  struct Subscription {
    std::string subject;
    NatsClient::Heard heard;
  };

  void run();
  /// To the next server; null when that failed.
  std::unique_ptr<NatsLink> connect();
  void serve(NatsLink& link);
  void up(NatsLink& link);
  void down();
  /// False when the link is over.
  bool write_next(NatsLink& link);
  void write(NatsLink& link, NatsOutstanding::Next next);
  void subscribe_new(NatsLink& link);
  bool pause(Duration time);  ///< false when stopping
  void report();

  const NatsOptions options_;
  NatsMetrics metrics_;
  std::atomic<bool> connected_{false};
  std::atomic<std::size_t> max_payload_{1024 * 1024};

  std::mutex mutex_;
  std::condition_variable changed_;
  NatsOutstanding outstanding_;
  std::uint64_t link_ = 0;  ///< 0: none
  std::string inbox_;
  std::string lost_;  ///< why the link is over; empty while it stands
  bool stopping_ = false;

  std::mutex hearing_;
  std::vector<std::shared_ptr<const Subscription>> subscriptions_;  ///< its tag is its place + 1
  std::atomic<std::size_t> subscription_count_{0};
  std::size_t subscribed_ = 0;  ///< of this link; its thread's own
  bool deaf_ = false;

  std::size_t server_ = 0;  ///< the next one to try; the thread's own, as is told_
  std::string told_;        ///< the last failure logged
  std::thread thread_;
};

}  // namespace postern::relay
