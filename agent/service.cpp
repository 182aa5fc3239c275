#include "agent/service.hpp"

#include <stdio.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <cstdlib>
#include <thread>

#include "agent/service_plan.hpp"
#include "agent/status_view.hpp"
#include "agent/systemctl.hpp"
#include "agent/visible.hpp"

namespace postern::agent {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr int kFailed = 1;
constexpr Duration kLook = std::chrono::milliseconds(200);

void say(const std::string& text) {
  ::fputs(text.c_str(), stdout);
  ::fflush(stdout);
}

int complain(const Error& error) {
  ::fputs(fmt::format("postern-agent: {} [{}]\n", visible_lines(error.message), error.code).c_str(), stderr);
  return kFailed;
}

/// Everything that one command needs.
struct Service {
  const Options& options;
  const StateDir& state_dir;
  const Clock& clock;
  ServicePlaces places;
  Systemctl systemctl;

  std::string ask(std::vector<std::string> arguments) const {
    arguments.push_back(places.unit_name());
    return systemctl.ask(arguments);
  }
  std::string main_pid() const { return ask({"show", "-p", "MainPID", "--value"}); }
  /// What other commands take to mean this service's agent.
  std::string state_dir_flag() const {
    return places.name == "postern-agent" ? "" : " --state-dir " + state_dir.path().string();
  }
  bool is_installed() const { return fs::exists(places.unit()); }
};

/// A change needs root and a systemd that runs; a root directory of their own is for tests.
Result<void> check_host(const Service& service) {
  if (service.options.service.root == "/" && ::geteuid() != 0)
    return fail("not_root", "A service is installed by root: run this again with sudo.");
  const fs::path running = service.places.root / "run/systemd/system";
  if (fs::is_directory(running)) return {};
  return fail("no_systemd",
              fmt::format("This host is not run by systemd ({} is missing). Have whatever starts "
                          "programs here run \"postern-agent run\", as a user of its own.",
                          running.string()));
}

/// The restart of a service lets go of the directory; anybody else would keep it from starting.
Result<void> check_nobody_else(const Service& service) {
  const auto holder = service.state_dir.running();
  if (!holder || *holder == service.main_pid()) return {};
  return fail("already_running",
              fmt::format("An agent (process {}) that is not the service works in {}. Stop it "
                          "first: kill {}",
                          *holder, service.state_dir.path().string(), *holder));
}

Result<void> write_for_all(const fs::path& path, const std::string& text) {
  if (auto written = replace_file(path, text, Durable::yes); !written) return written;
  std::error_code ec;
  const auto mode =
      fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read | fs::perms::others_read;
  fs::permissions(path, mode, ec);
  if (ec) return fail("io_failed", fmt::format("Cannot make {} readable: {}.", path.string(), ec.message()));
  return {};
}

Result<void> write(const Service& service, const ServicePlan& plan) {
  std::error_code ec;
  for (const fs::path& file : {plan.places.unit(), plan.places.environment()}) {
    fs::create_directories(file.parent_path(), ec);
    if (ec)
      return fail("io_failed",
                  fmt::format("Cannot create {}: {}.", file.parent_path().string(), ec.message()));
  }
  if (plan.config) {
    const auto written = replace_file(service.state_dir.path() / "agent.toml", *plan.config, Durable::yes);
    if (!written) return written;
  }
  if (auto written = replace_file(plan.places.environment(), plan.environment, Durable::yes); !written)
    return written;
  return write_for_all(plan.places.unit(), plan.unit);
}

Result<void> start(const Service& service) {
  const std::string unit = service.places.unit_name();
  for (const auto& step :
       std::vector<std::vector<std::string>>{{"daemon-reload"}, {"enable", unit}, {"restart", unit}}) {
    if (auto done = service.systemctl.run(step); !done) return std::unexpected(done.error());
  }
  return {};
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// In words, as far as it is known.
std::string why_not(const json::object& status) {
  const auto* error = status.if_contains("last_error");
  const std::string reason =
      error && error->is_object() ? text_of(error->as_object(), "message") : std::string();
  return fmt::format("it is {}{}{}", text_of(status, "phase"), reason.empty() ? "" : ": ", reason);
}

/// Until the process that systemd has started says that it is connected. What an earlier one left behind is
/// not believed.
Result<void> wait_connected(const Service& service) {
  const SteadyTime until = service.clock.steady() + service.options.service.wait;
  std::string why = "it has not said anything yet";
  while (service.clock.steady() < until) {
    const auto status = read_status(service.state_dir, service.clock.now());
    const auto holder = service.state_dir.running();
    const bool ours = status && holder && *holder == service.main_pid() && status_pid(*status) == *holder;
    if (ours && is_connected(*status)) return {};
    if (ours) why = why_not(*status);
    if (service.ask({"is-active"}) == "failed") {
      why = "it has ended";
      break;
    }
    std::this_thread::sleep_for(kLook);
  }
  return fail(
      "not_connected",
      fmt::format("The service is installed, but its agent is not connected: {}. Its log: journalctl -u {} "
                  "-n 20. What is in the way: {}",
                  why, service.places.name, "postern-agent doctor" + service.state_dir_flag()));
}

std::string listed(const std::vector<std::string>& texts) {
  return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, ", "));
}

std::string kept_text(const ServicePlan& plan) {
  return fmt::format("{}, as before (to be rid of one: --drop NAME)", listed(plan.kept));
}

void say_installed(const Service& service, const ServicePlan& plan) {
  std::string out =
      fmt::format("{} is installed{}.\n", service.places.name,
                  service.options.service.wait > Duration(0) ? ", started and connected" : " and started");
  out += fmt::format("  unit       {}\n", plan.places.unit().string());
  out += fmt::format("  variables  {} ({})\n", plan.places.environment().string(), listed(plan.variables));
  if (!plan.kept.empty()) out += fmt::format("  kept       {}\n", kept_text(plan));
  out += fmt::format("  state      {}\n", service.state_dir.path().string());
  for (const std::string& note : plan.notes) out += fmt::format("  note       {}\n", note);
  out += fmt::format(
      "Next:\n  journalctl -u {0} -f        its log\n  postern-agent service status{1}\n"
      "  {2}/agent.toml        what it may reach, and how much at once; a change is taken over at once\n",
      service.places.name, service.state_dir_flag(), service.state_dir.path().string());
  say(out);
}

void say_dry(const Service& service, const ServicePlan& plan) {
  std::string out = fmt::format("# {}\n{}", plan.places.unit().string(), plan.unit);
  out +=
      fmt::format("\n# {} (for root only): {}\n", plan.places.environment().string(), listed(plan.variables));
  if (!plan.kept.empty()) out += fmt::format("# kept: {}\n", kept_text(plan));
  if (plan.config)
    out += fmt::format("\n# {}\n{}", (service.state_dir.path() / "agent.toml").string(), *plan.config);
  for (const std::string& note : plan.notes) out += fmt::format("\n# note: {}\n", note);
  say(out);
}

/// The name that it was started by, which stays when a link of that name leads to another version some day;
/// or the file, where that name is none (a program may be started by a descriptor).
Result<fs::path> this_file(const Service& service) {
  std::error_code ec;
  const fs::path& named = service.options.program.file;
  if (fs::equivalent(named, "/proc/self/exe", ec)) return named;
  fs::path program = fs::read_symlink("/proc/self/exe", ec);
  if (!ec && fs::exists(program, ec)) return program;
  return fail("io_failed", "This program's own file has been replaced or removed. Run the new one.");
}

Result<ServicePlan> plan(const Service& service) {
  auto program = this_file(service);
  if (!program) return std::unexpected(program.error());
  return plan_service(service.options, service.state_dir, *program,
                      [](const char* name) -> const char* { return std::getenv(name); });
}

int install(const Service& service) {
  const auto planned = plan(service);
  if (!planned) return complain(planned.error());
  if (service.options.service.dry_run) {
    say_dry(service, *planned);
    return 0;
  }
  if (auto good = check_host(service); !good) return complain(good.error());
  if (auto good = check_nobody_else(service); !good) return complain(good.error());
  if (auto written = write(service, *planned); !written) return complain(written.error());
  if (auto started = start(service); !started) return complain(started.error());
  if (service.options.service.wait > Duration(0)) {
    if (auto connected = wait_connected(service); !connected) return complain(connected.error());
  }
  say_installed(service, *planned);
  return 0;
}

/// The directory itself, or where systemd has put it for a user that does not always exist.
Result<fs::path> real_state(const Service& service) {
  std::error_code ec;
  fs::path real = fs::canonical(service.state_dir.path(), ec);
  if (ec)
    return fail("io_failed",
                fmt::format("Cannot find {}: {}.", service.state_dir.path().string(), ec.message()));
  const fs::path home = fs::canonical(service.places.root, ec) / "var/lib";
  const bool expected = real == home / service.places.name || real == home / "private" / service.places.name;
  if (expected && service.state_dir.joined()) return real;
  return fail("invalid_state_dir",
              fmt::format("{} is no agent's state directory; it is left alone.", real.string()));
}

bool agrees(const Service& service, std::istream& standard_input) {
  if (service.options.service.yes) return true;
  say(fmt::format("Remove {} for good? This host is then no agent any more until it joins anew. [yes/no] ",
                  service.state_dir.path().string()));
  std::string answer;
  std::getline(standard_input, answer);
  return answer == "yes";
}

Result<void> purge(const Service& service) {
  const auto real = real_state(service);
  if (!real) return std::unexpected(real.error());
  const auto lock = service.state_dir.lock();
  if (!lock) return std::unexpected(lock.error());
  std::error_code ec;
  fs::remove_all(*real, ec);
  if (!ec) fs::remove(service.state_dir.path(), ec);  // the link, where it was one
  if (ec) return fail("io_failed", fmt::format("Cannot remove {}: {}.", real->string(), ec.message()));
  return {};
}

Result<void> remove(const Service& service) {
  if (auto stopped = service.systemctl.run({"disable", "--now", service.places.unit_name()}); !stopped)
    return std::unexpected(stopped.error());
  std::error_code ec;
  for (const fs::path& file : {service.places.unit(), service.places.environment()}) {
    fs::remove(file, ec);
    if (ec) return fail("io_failed", fmt::format("Cannot remove {}: {}.", file.string(), ec.message()));
  }
  if (auto reloaded = service.systemctl.run({"daemon-reload"}); !reloaded)
    return std::unexpected(reloaded.error());
  return {};
}

/// All that can be known before anything is stopped or removed.
Result<void> check_removal(const Service& service) {
  if (auto good = check_host(service); !good) return good;
  if (auto good = check_ours(service.places); !good) return good;
  if (!service.options.service.purge) return {};
  if (auto real = real_state(service); !real) return std::unexpected(std::move(real.error()));
  return check_nobody_else(service);
}

int uninstall(const Service& service, std::istream& standard_input) {
  const Error absent{"not_installed", fmt::format("There is no {}.", service.places.unit().string())};
  const bool purges = service.options.service.purge;
  if (!service.is_installed() && !purges) return complain(absent);
  if (auto good = check_removal(service); !good) return complain(good.error());
  if (purges && !agrees(service, standard_input))
    return complain({"not_confirmed", "Nothing was changed. To go on without being asked: --yes."});
  if (service.is_installed()) {
    if (auto removed = remove(service); !removed) return complain(removed.error());
    say(fmt::format("{} is stopped and removed.\n", service.places.name));
  }
  if (!purges) {
    say(fmt::format(
        "Its state is kept in {}: install goes on as the same agent. To remove it, too: --purge.\n",
        service.state_dir.path().string()));
    return 0;
  }
  if (auto purged = purge(service); !purged) return complain(purged.error());
  say(fmt::format("{} is removed. The relay still knows the agent: postern agents revoke NAME.\n",
                  service.state_dir.path().string()));
  return 0;
}

int show(const Service& service) {
  const std::string enabled = service.ask({"is-enabled"});
  const std::string active = service.ask({"is-active"});
  const auto status = read_status(service.state_dir, service.clock.now());
  const bool well = active == "active" && status && is_connected(*status);
  if (service.options.json) {
    const json::object about{{"name", service.places.name},
                             {"installed", service.is_installed()},
                             {"enabled", enabled},
                             {"active", active},
                             {"process", service.main_pid()}};
    say(json::serialize(
            json::object{{"service", about}, {"agent", status ? json::value(*status) : nullptr}}) +
        "\n");
    return well ? 0 : kFailed;
  }
  say(fmt::format("service      {}: {}, {}, {}\n", service.places.name,
                  service.is_installed() ? "installed" : "not installed",
                  enabled.empty() ? "unknown" : enabled, active.empty() ? "unknown" : active));
  if (!status) return complain(status.error());
  say(render_status(*status, service.clock.now()));
  return well ? 0 : kFailed;
}

}  // namespace

int run_service(const Options& options, const StateDir& state_dir, const Clock& clock,
                std::istream& standard_input) {
  auto places = service_places(options.service.root, state_dir);
  if (!places) return complain(places.error());
  const Service service{options, state_dir, clock, std::move(*places), Systemctl(options.service.systemctl)};
  switch (options.service.action) {
    case ServiceOptions::Action::install:
      return install(service);
    case ServiceOptions::Action::uninstall:
      return uninstall(service, standard_input);
    case ServiceOptions::Action::status:
      return show(service);
  }
  return kFailed;
}

}  // namespace postern::agent
