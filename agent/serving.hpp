#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <filesystem>
#include <optional>
#include <vector>

#include "agent/allow_list.hpp"
#include "agent/options.hpp"

/// What an agent may be told while it runs, and the file that tells it.
namespace postern::agent {

struct Serving {
  AllowList allow;
  Limits limits;
  AppTls app_tls;
  log::Level log_level = log::Level::info;
  std::optional<boost::asio::ip::tcp::endpoint> inspect = {};  ///< where the inspector listens
};

/// Where the configuration file may be, the first that is there counts: --config alone when it was given
/// (then it must be there), else STATE_DIR/agent.toml and /etc/postern-agent/agent.toml.
std::vector<std::filesystem::path> config_candidates(const Options& options);

struct LoadedServing {
  Serving serving;
  std::optional<std::filesystem::path> file;  ///< nullopt: there is none
};
/// The file's word where no flag and no environment variable has one; `saved` is the allow-list of the state
/// directory, for when nobody else names apps. Errors: `io_failed`, and `invalid_config`, which names each
/// mistake with its file and line.
Result<LoadedServing> load_serving(const Options& options, const AllowList& saved);

}  // namespace postern::agent
