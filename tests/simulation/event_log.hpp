#pragma once
#include <map>
#include <memory>

#include "tests/simulation/machine.hpp"
#include "tests/simulation/store.hpp"

namespace postern::simulation {

/// A process's way to the store. Statements take a while, answers as well, and each its own: they overtake
/// each other. Some are refused; of some the answer is lost although they took effect. When the process dies,
/// what is under way may take effect or not, completions even later. Its leases may be lost while it lives,
/// as those of a node of a cluster that could not say that it lives: the harder habits of either engine,
/// together.
class SimulatedEventLog final : public relay::EventLog,
                                public std::enable_shared_from_this<SimulatedEventLog> {
 public:
  SimulatedEventLog(Scheduler& scheduler, Machine& machine, SimulatedStore& store, const Clock& clock);

  void attach(relay::DeliveryIntake& intake) override { intake_ = &intake; }
  void append(relay::NewEvent event, boost::asio::any_io_executor reply_on, AppendDone done) override;
  void complete(std::vector<relay::Completion> completions,
                std::function<void(Result<std::size_t>)> done) override;
  void mark_started(std::vector<Started> started,
                    std::function<void(Result<std::vector<std::uint64_t>>)> done) override;
  void claim_due(Time now, std::size_t limit, std::vector<DestinationId> except, Claimed done) override;
  void claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) override;
  void claim_heads(HeadsWanted wanted, HeadsClaimed done) override;
  void next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) override;
  void backlog(std::function<void(Result<std::vector<Backlog>>)> done) override;
  Result<std::size_t> recover() override { return store_.release_all(clock_.now()); }
  void give_back_leases() override { store_.give_back_all(); }
  bool holds_leases() const override { return !lost_ || !knows_; }

  void lose_leases();
  std::optional<SteadyTime> told_of_loss_at() const { return told_at_; }
  /// Nothing is on the way, and no leases have been lost or are in doubt: see WaitWatch.
  bool settled() const {
    return under_way_.empty() && on_the_way_ == 0 && in_doubt_ == 0 && !lost_ && !told_at_;
  }
  void die();

 private:
  using Commit = std::function<void()>;
  enum class Fate { done, refused, answer_lost };

  Fate fate();
  Duration some_time();
  /// Under way until it has taken effect. `late`: it may do so when its process is long gone.
  void begin(Commit commit, bool late);
  void reply(std::function<void()> tell);
  template <class T, class Make>
  void ask(std::function<void(Result<T>)> done, Make make);
  void claim(Claimed done, std::function<std::vector<relay::LeasedDelivery>()> make);
  void doubt(std::vector<relay::LeasedDelivery> claimed);
  void commit_event(const relay::NewEvent& event, const AppendDone& done);
  void told_of_loss();

  struct UnderWay {
    Commit commit;
    bool late;
  };
  Scheduler& scheduler_;
  Machine& machine_;
  SimulatedStore& store_;
  const Clock& clock_;
  relay::DeliveryIntake* intake_ = nullptr;
  std::map<std::uint64_t, UnderWay> under_way_;
  std::uint64_t last_ = 0;
  std::size_t on_the_way_ = 0;  // answers
  std::size_t in_doubt_ = 0;
  bool dead_ = false;
  bool lost_ = false;   // and not told yet
  bool knows_ = false;  // by its own clock
  std::optional<SteadyTime> told_at_;
};

}  // namespace postern::simulation
