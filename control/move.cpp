#include "control/move.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "control/cli/exit_codes.hpp"
#include "control/first_start.hpp"
#include "control/store_options.hpp"
#include "relay/store/transfer/export.hpp"
#include "relay/store/transfer/import.hpp"

namespace postern::control {
namespace {

namespace transfer = relay::transfer;

/// One line a second on stderr; on a terminal it is the same one.
class Meter {
 public:
  void show(const transfer::Progress& now) {
    const SteadyTime at = clock_.steady();
    const bool anew = now.rows < rows_;  // an import reads its file twice
    if (anew || began_ == SteadyTime()) began_ = shown_ = at;
    rows_ = now.rows;
    if (at - shown_ < std::chrono::seconds(1)) return;
    shown_ = at;
    print(now, std::chrono::duration<double>(at - began_).count());
  }
  void end() const {
    if (terminal_ && shown_ != SteadyTime()) fmt::print(stderr, "\n");
  }

 private:
  void print(const transfer::Progress& now, double seconds) const {
    const double share =
        now.rows_total == 0 ? 1 : static_cast<double>(now.rows) / static_cast<double>(now.rows_total);
    const double left = share > 0 && share < 1 ? seconds / share - seconds : 0;
    fmt::print(stderr, "{}{}: {} of {} rows, {:.1f} MB/s, {:.0f} s left{}",
               terminal_ ? "\r\033[K" : "postern: ", now.doing, now.rows, now.rows_total,
               static_cast<double>(now.bytes) / 1e6 / std::max(seconds, 1e-9), left, terminal_ ? "" : "\n");
    std::fflush(stderr);
  }

  const SystemClock clock_;
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::uint64_t rows_ = 0;
  SteadyTime began_{}, shown_{};
};

int refuse(const Error& error) {
  fmt::print(stderr, "postern: {}\n", error.message);
  return kExitFailed;
}

std::string listed(const transfer::Counts& rows) {
  std::string list;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] > 0)
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", transfer::tables()[i].name, rows[i]);
  }
  return list.empty() ? "nothing" : list;
}

}  // namespace

int export_node(const Settings& settings, const ExportArguments& arguments) {
  ::umask(0077);
  if (!settings.database.empty())
    return refuse({"wrong_engine",
                   "postern export reads a node with SQLite, and the settings name a PostgreSQL "
                   "database: back that one up with pg_dump."});
  auto identity = tunnel_identity_settings(DataDir(settings.data_dir));
  if (!identity) return refuse(identity.error());
  const SystemClock clock;
  SystemRandom random;
  Meter meter;
  const transfer::ExportOptions options{.data_dir = settings.data_dir,
                                        .file = arguments.to,
                                        .program = POSTERN_VERSION,
                                        .live = arguments.live,
                                        .settings = std::move(*identity)};
  const auto report = transfer::export_sqlite(options, clock, random,
                                              [&](const transfer::Progress& now) { meter.show(now); });
  meter.end();
  if (!report) return refuse(report.error());
  fmt::print("{}: {} bytes: {}\n", arguments.to, report->bytes, listed(report->rows));
  fmt::print(
      "Secrets in it are sealed with {}, which is not in the file: keep a copy of it, apart from the file.\n",
      (settings.data_dir / "master.key").string());
  return kExitOk;
}

int import_node(const Settings& settings, const std::string& from) {
  ::umask(0077);
  const SystemClock clock;
  SystemRandom random;
  Meter meter;
  const transfer::ImportOptions options{
      .file = from, .data_dir = settings.data_dir, .postgres = store_options(settings).postgres};
  const bool cluster = !settings.database.empty();
  const auto report = (cluster ? transfer::import_postgres : transfer::import_sqlite)(
      options, clock, random, [&](const transfer::Progress& now) { meter.show(now); });
  meter.end();
  if (!report) return refuse(report.error());
  fmt::print("imported and compared: {}\n", listed(report->rows));
  const std::string directory = settings.data_dir.string();
  if (cluster)
    fmt::print(
        "Each node needs a data directory of its own with a copy of {0}/master.key; with a copy of admin.key "
        "beside it the API key stays the same.\n",
        directory);
  else
    fmt::print(
        "postern serve --data-dir {} takes it up; with a copy of admin.key in it the API key stays the "
        "same.\n",
        directory);
  return kExitOk;
}

}  // namespace postern::control
