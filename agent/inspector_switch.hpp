#pragma once
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <vector>

#include "agent/forwarder.hpp"
#include "agent/inspector/inspector.hpp"
#include "agent/status.hpp"

namespace postern::agent {

/// Turns the inspector on and off while the agent works. A port that is taken costs no delivery: it is said
/// in the log and tried again. Each start has its own token, and knows nothing of what passed before. One
/// loop, which outlives it, as all references do.
class InspectorSwitch {
 public:
  struct Parts {
    boost::asio::io_context& loop;
    StatusBoard& board;
    const Clock& clock;
    Random& random;
    std::shared_ptr<Forwarder> forwarder;
  };
  explicit InspectorSwitch(Parts parts);

  /// From now on; nullopt: off. The same address again changes nothing.
  void set(const std::optional<boost::asio::ip::tcp::endpoint>& at);
  /// Off whatever is set, while another process of the agent has the address.
  void rest(bool resting);

 private:
  using Inspector = inspector::Inspector;
  void turn_off();
  void try_start();
  void try_again();

  Parts parts_;
  std::optional<boost::asio::ip::tcp::endpoint> wanted_;
  bool resting_ = false;
  std::unique_ptr<Inspector> inspector_;
  std::vector<std::unique_ptr<Inspector>> leaving_;  ///< with requests under way
  boost::asio::steady_timer retry_;
  bool complained_ = false;
};

}  // namespace postern::agent
