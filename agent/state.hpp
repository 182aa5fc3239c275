#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/allow_list.hpp"
#include "agent/files.hpp"
#include "agent/relay_trust.hpp"
#include "base/error.hpp"
#include "base/id.hpp"

/// What an agent keeps between runs, in one directory of mode 0700 that one process uses at a time:
///
/// - joining.json: a join that has begun: the agent's own new secret, on disk before the relay learns its
///   verifiers
/// - state.json: who it is and where it belongs; its one rename is the moment the agent has joined
/// - status.json: what it is doing, for `status`
/// - lock: held while it runs
/// - journal-AGENT: what came of deliveries, until the relay has committed it
/// - rotate: a wish for a new secret
namespace postern::agent {

/// The agent's secret never leaves this host; the relay gets verifiers of it.
struct Identity {
  AgentId agent_id;
  std::string secret;  ///< 32 bytes
  HostPort relay;
  std::vector<std::string> pins;  ///< SHA-256 of the relay's key (SPKI), 32 bytes each
  AllowList allow;
  std::uint64_t generation = 0;  ///< of the last login; grows each time
  std::uint32_t key_epoch = 0;   ///< of the secret: how often it has been changed
  std::string next_secret = {};  ///< the one that is to follow; empty: none
  bool next_known = false;       ///< the relay has said that it takes the next secret
  std::string ca = {};           ///< RelayTrust::ca
  Uuid instance{};  ///< of the process that holds the directory, or held it last; all zero: none did
  RelayTrust trust() const { return {pins, ca}; }
};

/// What of `saved` is newer than what a process knows that took over from the one that saved it: a change of
/// the secret, a later login.
void catch_up(Identity& identity, const Identity& saved);

/// The same join told again must be the same byte for byte, so all that goes into it is kept.
struct Joining {
  JoinId join_id;
  std::string secret;      ///< 32 bytes
  std::string facts_json;  ///< what the agent says of its host
};

class StateDir {
 public:
  /// $XDG_STATE_HOME/postern-agent, else ~/.local/state/postern-agent; /var/lib/postern-agent for root.
  static std::filesystem::path default_path();

  explicit StateDir(const std::filesystem::path& path)
      : path_(std::filesystem::absolute(path).lexically_normal()) {
    if (!path_.has_filename()) path_ = path_.parent_path();  // "DIR/" is DIR
  }

  Result<void> create() const;  ///< mode 0700, parents too; keeps one that is there. Error `io_failed`
  Result<FileLock> lock() const { return FileLock::acquire(lock_file()); }
  std::filesystem::path lock_file() const { return path_ / "lock"; }
  std::optional<std::string> running() const { return FileLock::holder(lock_file()); }

  /// Error `not_joined` when there is none, `state_damaged` when it cannot be read; both say what to do.
  Result<Identity> identity() const;
  bool joined() const { return std::filesystem::exists(path_ / "state.json"); }
  /// Durable when it returns. Ends a join: joining.json goes.
  Result<void> save(const Identity& identity) const;

  Result<std::optional<Joining>> joining() const;
  Result<void> save(const Joining& joining) const;  ///< durable when it returns
  /// Drops a join that has begun when it cannot be read any more; one that can is kept, to be told again.
  void forget_damaged_join() const;

  /// A wish for a new secret, left for the process that runs. Nobody but this directory's owner can leave
  /// one.
  Result<void> ask_rotation() const;
  bool rotation_asked() const { return std::filesystem::exists(path_ / "rotate"); }
  void rotation_done() const;

  /// Of that agent: what one relay asked for is never told to another.
  std::filesystem::path journal_file(AgentId agent) const { return path_ / ("journal-" + agent.to_string()); }
  /// Journals of agents that this directory held before.
  void forget_other_journals(AgentId agent) const;
  std::filesystem::path status_file() const { return path_ / "status.json"; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace postern::agent
