#pragma once
#include <map>
#include <memory>
#include <set>

#include "tests/simulation/machine.hpp"
#include "tests/simulation/store.hpp"

namespace postern::simulation {

/// A process's way to the store. Statements take a while, answers as well, and each its own: they overtake
/// each other. Some are refused; of some the answer is lost although they took effect. When the process dies,
/// what is under way may take effect or not, completions even later. Its leases may be lost while it lives,
/// as those of a node of a cluster that could not say that it lives: the harder habits of either engine,
/// together.
///
/// An append asks the dispatcher first and commits a while later; a claim that was asked for meanwhile waits
/// for it. A node whose leases are lost goes on leasing under its old number until it finds out, and is in no
/// position to lease until it has a new one.
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
  Result<std::size_t> recover() override;
  void give_back_leases() override { store_.give_back_all(node_); }
  bool holds_leases() const override { return !(lost_ && knows_) && !intake_->forgetting(); }
  int node() const override { return node_; }

  void lose_leases();
  std::optional<SteadyTime> told_of_loss_at() const { return told_at_; }
  /// Nothing is on the way, no leases are lost or in doubt, and none of an earlier number is still being
  /// worked on: see WaitWatch.
  bool settled() const;
  /// An attempt begins.
  void begun(const relay::LeasedDelivery& leased) { working_[leased.lease_token] = leased.delivery.id; }
  /// Something of it is in flight or being recorded.
  bool works_on(DestinationId destination) const;
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
  using Claim = std::function<std::vector<relay::LeasedDelivery>(int node)>;
  void claim(Claimed done, Claim make);
  void doubt(std::vector<relay::LeasedDelivery> claimed);

  struct Appending {
    relay::NewEvent event;
    AppendDone done;
    int node;  // by which it leases
    std::vector<relay::Admission> admissions = {};
    std::uint64_t number = 0;
  };
  using AppendingPtr = std::shared_ptr<Appending>;
  void admit(const AppendingPtr& it);
  void commit(const AppendingPtr& it);
  void withdraw(const AppendingPtr& it);
  void hand_over(const AppendingPtr& it);
  /// Once what was admitted up to `number` is committed or withdrawn.
  void after_appends(std::uint64_t number, Commit what);

  void find_out();
  void join_again();
  void others_look();

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
  std::set<std::uint64_t> uncommitted_;  // appends that have been admitted
  std::uint64_t admitted_ = 0;
  std::map<std::uint64_t, DeliveryId> working_;  // by lease: in flight or being recorded
  int node_ = 0;
  bool dead_ = false;
  bool lost_ = false;   // and no new number yet
  bool knows_ = false;  // by its own clock, or because it was told
  bool joined_ = true;  // it may lease, as far as it knows
  bool looks_ = false;  // the others do
  std::optional<SteadyTime> told_at_;
};

}  // namespace postern::simulation
