#pragma once
#include <memory>

#include "agent/file_watch.hpp"
#include "agent/health_keeper.hpp"
#include "agent/inspector_switch.hpp"
#include "agent/keeper.hpp"
#include "agent/serving.hpp"

namespace postern::agent {

/// Takes over what the configuration file says, without ending a session or a delivery: at SIGHUP, and when
/// the file changes. A file that is wrong changes nothing; the log and the status say what is wrong with it.
/// One loop; the references outlive it.
class Reloader : public std::enable_shared_from_this<Reloader> {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    StatusBoard& board;
    const Clock& clock;
    std::shared_ptr<Forwarder> forwarder;
    std::shared_ptr<Keeper> keeper;
    std::shared_ptr<HealthKeeper> health;
    InspectorSwitch& inspector;
  };
  /// `saved`: the allow-list of the state directory.
  Reloader(Parts parts, Options options, AllowList saved)
      : parts_(std::move(parts)), options_(std::move(options)), saved_(std::move(saved)) {}

  void start(const LoadedServing& loaded);  ///< `loaded` is what serves now
  void reload();

 private:
  void take(LoadedServing loaded);

  Parts parts_;
  const Options options_;
  const AllowList saved_;
  std::shared_ptr<FileWatch> watch_;
};

}  // namespace postern::agent
