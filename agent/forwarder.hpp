#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

#include "agent/allow_list.hpp"
#include "agent/app_exchange.hpp"
#include "agent/app_slots.hpp"
#include "agent/byte_budget.hpp"
#include "agent/call_book.hpp"
#include "agent/inspector/recorder.hpp"
#include "agent/options.hpp"
#include "agent/status.hpp"
#include "base/http/client.hpp"
#include "tunnel-proto/agent_connection.hpp"

namespace postern::agent {

/// Takes deliveries to the apps and their answers back. Each is a task of its own: an app that is slow holds
/// up its own delivery and no other. The order is always: allow-list, shape of the request, size, a slot
/// of the app, room in memory, body, app; nothing is dialled before all of them have said yes.
///
/// A delivery is taken to its app once, however often its stream breaks (SPEC.md, section 7): a call that has
/// begun goes on to its deadline without a stream, its outcome is kept, and the same delivery coming again
/// joins the call or is told what came of it.
///
/// What it serves can change at any time: a delivery keeps to its end what it began with. One loop;
/// `results`, `board` and `clock` outlive it.
class Forwarder : public std::enable_shared_from_this<Forwarder> {
 public:
  Forwarder(boost::asio::any_io_executor executor, AllowList allow, Limits limits, const AppTls& tls,
            ResultKeeper& results, StatusBoard& board, const Clock& clock);
  /// From the next delivery on.
  void serve(AllowList allow, Limits limits, const AppTls& tls);

  /// Answers the delivery in the end, whatever happens, unless the relay gives it up or the connection
  /// breaks; then nothing is begun for it any more.
  void forward(std::shared_ptr<tunnel::IncomingDelivery> delivery);
  /// `watch(delivery, result)` hears of each outcome, before the relay does.
  using Watch = std::function<void(const tunnel::DeliverHead&, const tunnel::ResultHead&)>;
  void watch_outcomes(Watch watch) { outcome_ = std::move(watch); }
  /// Who sees each delivery's request and answer pass, from the next one on; null: nobody.
  void record_to(std::shared_ptr<inspector::Recorder> recorder) { recorder_ = std::move(recorder); }
  /// Takes a request to its app once more, under the rules that hold now, within `head.deadline`. The relay,
  /// the journal and the counters never hear of it.
  boost::asio::awaitable<AppAnswer> resend(std::shared_ptr<Forwarder> self, tunnel::DeliverHead head,
                                           std::shared_ptr<const std::string> body);
  /// The relay has committed these outcomes.
  void acknowledged(std::span<const tunnel::ResultAck> acks) { calls_.acknowledged(acks); }
  /// Of deliveries that have not ended, those that have got as far as the app of that place (canonical, as
  /// app_name() has it).
  std::size_t running_at(const std::string& app) const { return slots_.in_flight(app); }
  /// Deliveries that have not ended, with or without a stream, here or in a process before this one.
  std::vector<DeliveryId> under_way() const { return calls_.under_way(); }

  // --- While one process of the agent gives its place to another: handover.hpp ---
  /// What comes waits, unanswered and not begun; `came`, which may be empty, hears of each, probes too.
  void hold(std::function<void(const tunnel::DeliverHead&)> came);
  void release();  ///< takes what has waited, and all that comes
  void refuse();   ///< what has waited, and all that comes, is not started here
  void inherit(std::span<const DeliveryId> ids) { calls_.inherit(ids); }
  void ended_elsewhere(DeliveryId id, const std::optional<Outcome>& outcome);
  void elsewhere_is_gone();  ///< nobody will say any more what came of those

 private:
  enum class Door { open, held, shut };
  struct Rules;
  struct Job;
  using Calls = CallBook<tunnel::IncomingDelivery>;
  void take(std::shared_ptr<tunnel::IncomingDelivery> delivery);
  void begin(Calls::CallPtr call);
  void tell(tunnel::IncomingDelivery& delivery, const tunnel::ResultHead& head, std::string body);
  boost::asio::awaitable<void> run(std::shared_ptr<Forwarder> self, std::shared_ptr<Job> job);
  boost::asio::awaitable<AppAnswer> attempt(std::shared_ptr<Job> job);
  boost::asio::awaitable<Result<std::shared_ptr<const std::string>>> read_body(std::shared_ptr<Job> job);
  boost::asio::awaitable<AppAnswer> ask_app(std::shared_ptr<Job> job, http::ClientRequest request);
  static boost::asio::awaitable<AppAnswer> call(std::shared_ptr<const Rules> rules, http::Origin origin,
                                                http::ClientRequest request, Duration limit);
  static Result<AllowList::Permission> permit(const Rules& rules, const tunnel::DeliverHead& head);
  /// All but the body: what the rules have to say of it, its shape, and a place at its app.
  struct Ready {
    http::ClientRequest request;
    std::string app;  ///< app_name()
    AppSlots::Hold slot;
  };
  Result<Ready> get_ready(const Rules& rules, const tunnel::DeliverHead& head);
  void answer(Job& job, AppAnswer answer);
  void count(const tunnel::ResultHead& head);
  void ended(const std::shared_ptr<Job>& job, const std::exception_ptr& error);
  void watch(const std::shared_ptr<Job>& job);
  Duration left(const Job& job) const;

  boost::asio::any_io_executor executor_;
  ResultKeeper& results_;
  StatusBoard& board_;
  const Clock& clock_;
  Calls calls_;
  std::shared_ptr<const Rules> rules_;
  Watch outcome_;
  std::shared_ptr<inspector::Recorder> recorder_;
  ByteBudget budget_;
  Door door_ = Door::open;
  std::vector<std::shared_ptr<tunnel::IncomingDelivery>> held_;  ///< bounded by what was granted
  std::function<void(const tunnel::DeliverHead&)> came_;
  AppSlots slots_;
};

/// A place as it is known here, however it was written: HOST:PORT, or unix:/path.
std::string app_name(std::string_view host, std::uint16_t port);

}  // namespace postern::agent
