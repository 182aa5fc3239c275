#pragma once
#include <string>

#include "control/settings.hpp"

/// `postern export` and `postern import`: from one node with SQLite to a cluster on PostgreSQL, or to a
/// backup and back.
namespace postern::control {

struct ExportArguments {
  std::string to;
  bool live = false;
};

/// Both tell of their progress on stderr, of what they have done on stdout, and return an exit code.
int export_node(const Settings& settings, const ExportArguments& arguments);
int import_node(const Settings& settings, const std::string& from);

}  // namespace postern::control
