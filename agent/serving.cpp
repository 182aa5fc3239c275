#include "agent/serving.hpp"

#include "agent/files.hpp"
#include "agent/inspect_address.hpp"
#include "base/config.hpp"

namespace postern::agent {
namespace {

using config::Setting;
using config::Type;

constexpr std::string_view kSystemFile = "/etc/postern-agent/agent.toml";
constexpr std::size_t kMessageBytes = 2048;

constexpr Setting kTable[] = {
    {"allow", Type::list, "HOST:PORT", "", "The apps that deliveries may reach."},
    {"concurrency", Type::integer, "deliveries", "256", "Deliveries at once.", {}, 1, 1024},
    {"body_limit", Type::size, "bytes", "25MiB", "Longest request body."},
    {"memory_budget", Type::size, "bytes", "256MiB", "Request bodies in memory together."},
    {"app_ca_file", Type::text, "path", "", "Extra trust anchors (PEM) for https apps."},
    {"app_tls_insecure", Type::boolean, "", "false", "Do not verify the certificates of https apps."},
    {"inspect", Type::text, "HOST:PORT", "", "Where the inspector listens, a loopback address."},
    {"log_level", Type::choice, "", "info", "How much is logged.", "debug|info|warn|error"},
};

log::Level level_of(std::string_view text) {
  if (text == "debug") return log::Level::debug;
  if (text == "warn") return log::Level::warn;
  return text == "error" ? log::Level::error : log::Level::info;
}

/// The rows of the file that count: those it has, and that neither flag nor environment has.
class Rows {
 public:
  Rows(const config::Values& values, const Options& options) : values_(values), given_(options.given) {}
  bool count(std::string_view key) const { return values_.origin(key) != "default" && !given_.contains(key); }
  void read(std::string_view key, std::size_t& into) const {
    if (!count(key)) return;
    const bool size = std::ranges::find(kTable, key, &Setting::key)->type == Type::size;
    into = size ? values_.size(key) : static_cast<std::size_t>(values_.integer(key));
  }

 private:
  const config::Values& values_;
  const std::set<std::string, std::less<>>& given_;
};

std::unexpected<Error> invalid(std::string message) {
  if (message.size() > kMessageBytes) message.resize(kMessageBytes);
  return fail("invalid_config", std::move(message));
}

Result<void> overlay(const config::Values& values, const Options& options, Serving& serving) {
  const Rows rows(values, options);
  rows.read("concurrency", serving.limits.deliveries);
  rows.read("body_limit", serving.limits.body_bytes);
  rows.read("memory_budget", serving.limits.budget_bytes);
  if (rows.count("app_tls_insecure")) serving.app_tls.insecure = values.boolean("app_tls_insecure");
  if (rows.count("log_level")) serving.log_level = level_of(values.text("log_level"));
  if (rows.count("app_ca_file")) {
    serving.app_tls.ca_file = values.text("app_ca_file");
    if (!std::filesystem::is_regular_file(serving.app_tls.ca_file))
      return invalid(
          fmt::format("{}: {} is not a file.", values.origin("app_ca_file"), serving.app_tls.ca_file));
  }
  if (rows.count("inspect") && !values.text("inspect").empty()) {
    const auto at = parse_inspect_address(values.text("inspect"));
    if (!at) return invalid(fmt::format("{}: {}", values.origin("inspect"), at.error().message));
    serving.inspect = *at;
  }
  if (!rows.count("allow")) return {};
  auto allow = AllowList::parse(values.list("allow"));
  if (!allow) return invalid(fmt::format("{}: {}", values.origin("allow"), allow.error().message));
  serving.allow = std::move(*allow);
  return {};
}

Result<Serving> of_options(const Options& options, const AllowList& saved) {
  Serving serving{saved, options.limits, options.app_tls, options.log_level};
  if (!options.inspect.empty()) {
    const auto at = parse_inspect_address(options.inspect);
    if (!at) return std::unexpected(at.error());
    serving.inspect = *at;
  }
  if (options.allow.empty()) return serving;
  auto allow = AllowList::parse(options.allow);
  if (!allow) return std::unexpected(allow.error());
  serving.allow = std::move(*allow);
  return serving;
}

/// The first that is there.
Result<std::optional<std::filesystem::path>> find_file(const Options& options, std::string& text) {
  for (const auto& path : config_candidates(options)) {
    auto content = read_file(path);
    if (!content) return std::unexpected(content.error());
    if (!*content) continue;
    text = std::move(**content);
    return path;
  }
  if (options.config_file.empty()) return std::nullopt;
  return fail("io_failed", fmt::format("There is no {}.", options.config_file));
}

}  // namespace

std::vector<std::filesystem::path> config_candidates(const Options& options) {
  if (!options.config_file.empty()) return {options.config_file};
  return {options.state_dir / "agent.toml", kSystemFile};
}

Result<LoadedServing> load_serving(const Options& options, const AllowList& saved) {
  auto serving = of_options(options, saved);
  if (!serving) return std::unexpected(serving.error());
  std::string text;
  const auto file = find_file(options, text);
  if (!file) return std::unexpected(file.error());
  if (!*file) return LoadedServing{std::move(*serving), std::nullopt};
  config::Inputs inputs;
  inputs.file = (*file)->string();
  const auto values = config::resolve_text(kTable, inputs, text);
  if (!values) return invalid(fmt::format("{}", fmt::join(values.error(), "; ")));
  if (const auto done = overlay(*values, options, *serving); !done) return std::unexpected(done.error());
  return LoadedServing{std::move(*serving), *file};
}

}  // namespace postern::agent
