#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "agent/forwarder.hpp"
#include "agent/handover.hpp"
#include "agent/lane.hpp"
#include "agent/proxy.hpp"
#include "agent/secret_rotation.hpp"
#include "agent/state.hpp"
#include "agent/status.hpp"
#include "tunnel-proto/agent_connection.hpp"

namespace postern::agent {

inline constexpr int kExitBrokenOff = 1;
inline constexpr int kExitRevoked = 3;

/// What one of `sessions` may take of all the deliveries at once.
constexpr std::uint32_t share_of(std::size_t deliveries, std::size_t sessions) {
  return static_cast<std::uint32_t>((deliveries + sessions - 1) / sessions);
}

/// Keeps the agent's sessions with the relay, each by a Lane: to different addresses of the relay where its
/// name has several, and the second and later ones once the first has stood. Deliveries of all of them go to
/// the one forwarder. One loop; all references outlive it.
class Keeper : public LaneHome, public std::enable_shared_from_this<Keeper> {
 public:
  struct Parts {
    boost::asio::io_context& loop;
    const StateDir& state_dir;
    StatusBoard& board;
    const Clock& clock;
    Random& random;
    tunnel::ConnectionLimits limits;  ///< of one session
    ProxyRules proxies = {};
  };
  struct Settings {
    bool exit_on_revoked = false;
    std::function<void()> on_first_session;                         ///< may be empty
    std::size_t sessions = 1;                                       ///< 1 to tunnel::kSessionsMost
    std::function<void(std::uint64_t generation)> on_session = {};  ///< each of them; may be empty
    std::optional<Greeting> predecessor = {};           ///< whose place it will take: it starts as Role::heir
    std::function<void(const Error&)> on_failure = {};  ///< no session came about, or one ended; may be empty
  };
  /// Whose the agent is while one process gives its place to another (handover.hpp). Only an owner saves the
  /// state and changes the secret.
  enum class Role {
    owner,
    heir,     ///< logs in as the instance that there is, and is not the agent yet
    giving,   ///< its heir gets ready: dials nobody, or the two would drive each other out; saves still
    parting,  ///< its heir may be the owner already
    gone,     ///< its heir is: finishes what it has
  };
  Keeper(Parts parts, Identity identity, std::shared_ptr<Forwarder> forwarder, Settings settings);

  /// Until drain() has finished (0), stop() has cut it short, or the credential is refused and the settings
  /// say to exit then.
  boost::asio::awaitable<int> run();
  /// Takes nothing new, finishes what is in flight (at most limits.drain), and lets run() end.
  void drain();
  /// Breaks off what is in flight and lets run() end with kExitBrokenOff, within limits.close.
  void stop();

  /// How many deliveries may be in flight from now on: the sessions share it evenly, those that follow too.
  void grant(std::uint32_t deliveries);

  Role role() const { return role_; }
  void give_way();  ///< from owner to giving
  void part();      ///< from giving to parting
  /// From heir to owner: takes what `saved` knows better, and saves.
  void become_owner(const Identity& saved);
  void go_on();  ///< from giving or parting to owner again: dials at once
  /// Leaves its sessions for those of the heir; run() ends when nothing is under way any more, which may take
  /// longer than a drain: calls have up to kLastCall.
  void become_gone();
  /// The relay has sent all sessions away, or there is none.
  bool all_left() const;
  /// A login of the heir was given this one.
  void heir_logged_in(std::uint64_t generation);
  /// Nobody serves any more: ends as drain() does, with this exit status.
  void heir_ended(int exit_status);
  Greeting greeting() const;
  static constexpr Duration kLastCall = std::chrono::minutes(6);  ///< above every destination's time-out

  /// Which apps can be reached, for the sessions that there are.
  void tell_health(std::span<const tunnel::AppHealth> apps);

  unsigned long sessions() const { return parts_.board.status().sessions; }
  void describe(Status& status) const;  ///< its sessions, and what it grants

  // --- For the lanes ---
  bool is_ending() const override { return draining_ || exit_status_.has_value(); }
  boost::asio::awaitable<Result<boost::asio::ip::tcp::socket>> dial(std::size_t lane) override;
  Result<std::shared_ptr<Link>> start(std::size_t lane, boost::asio::ip::tcp::socket socket) override;
  bool has_another_secret(std::size_t lane) override;
  void changed() override;
  bool is_connected() const override { return phase() == Phase::connected; }
  bool failed(const SessionEnd& end, const NextTry& next, unsigned failures) override;

 private:
  boost::asio::awaitable<void> finish_calls();
  boost::asio::awaitable<void> run_lane(std::shared_ptr<Keeper> self, std::shared_ptr<Lane> lane);
  boost::asio::awaitable<void> keep_status(std::shared_ptr<Keeper> self);
  boost::asio::awaitable<void> watch_sleep(std::shared_ptr<Keeper> self);
  tunnel::AgentConnection::Credential credential(std::size_t lane);
  void opened(std::size_t lane, const tunnel::Admission& admission);
  void open_other_lanes();
  Phase phase() const;
  bool save();
  void rotation_asked(std::size_t lane);
  void rotate(std::size_t lane);
  void rotated(const tunnel::RotateAnswer& answer);
  void rest();
  void report(const SessionEnd& end, const NextTry& next, unsigned failures);
  bool gives_way() const { return role_ == Role::giving || role_ == Role::parting || role_ == Role::gone; }

  Parts parts_;
  Identity identity_;
  std::shared_ptr<Forwarder> forwarder_;
  Settings settings_;
  const Uuid instance_;
  const Uuid previous_instance_;
  std::vector<SecretRotation> rotations_;  ///< of each lane
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::size_t running_lanes_ = 0;
  boost::asio::steady_timer ended_;  ///< cancelled when the last lane has
  boost::asio::steady_timer status_tick_;
  boost::asio::steady_timer sleep_tick_;
  boost::asio::steady_timer dials_again_;  ///< cancelled when it may, after giving
  Role role_;
  Outlook outlook_ = Outlook::normal;  ///< of the last failure since a session stood
  std::optional<int> exit_status_;
  bool draining_ = false;
  bool told_to_end_ = false;  ///< by drain()
  SteadyTime finish_by_ = SteadyTime::max();
  bool stopping_ = false;
  bool running_ = false;
  bool resting_ = false;
  std::uint64_t deliveries_ended_ = 0;  ///< at the last look
};

}  // namespace postern::agent
