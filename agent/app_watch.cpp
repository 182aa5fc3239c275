#include "agent/app_watch.hpp"

#include <algorithm>

#include "tunnel-proto/outcome_reasons.hpp"

namespace postern::agent {
namespace {

constexpr std::string_view kNotAllowed = "not_allowed";

}  // namespace

AppWatch::App* AppWatch::find(const HostPort& at) {
  const auto same = [&](const App& app) { return app.at.port == at.port && app.at.host == at.host; };
  const auto found = std::ranges::find_if(apps_, same);
  return found == apps_.end() ? nullptr : &*found;
}

/// The one used least lately makes room, of those that can be reached; null when none can.
AppWatch::App* AppWatch::find_or_add(const HostPort& at, SteadyTime now) {
  App* app = find(at);
  if (app == nullptr && apps_.size() >= tunnel::kAppsMost) {
    const auto oldest =
        std::ranges::min_element(apps_, {}, [](const App& a) { return std::pair(!a.reachable, a.used); });
    if (!oldest->reachable) return nullptr;
    *oldest = App{.at = at};
    app = &*oldest;
  }
  if (app == nullptr) app = &apps_.emplace_back(App{.at = at});
  app->used = now;
  return app;
}

void AppWatch::recovered(App& app) {
  app.reachable = true;
  app.reason.clear();
  app.look_at.reset();
  app.looks = 0;
}

Duration AppWatch::wait(const App& app) {
  const unsigned relapses = std::min(app.relapses, 16U);
  if (app.looks == 0 && relapses > 0) {
    return std::min<Duration>(kRelapseMost, std::chrono::seconds(1) * (std::int64_t{1} << (relapses - 1)));
  }
  return std::min(kLookEvery, kFirstLook * (std::int64_t{1} << std::min(app.looks, 8U)));
}

bool AppWatch::answered(const HostPort& at, SteadyTime now) {
  const std::size_t before = apps_.size();
  App* app = find_or_add(at, now);
  if (app == nullptr) return false;
  app->relapses = 0;
  const bool changed = !app->reachable || apps_.size() != before;
  recovered(*app);
  return changed;
}

bool AppWatch::not_sent(const HostPort& at, std::string_view code, SteadyTime now) {
  if (tunnel::what_of_not_sent(code) != tunnel::NotSent::app) return false;
  const bool known = find(at) != nullptr;
  App* app = find_or_add(at, now);
  if (app == nullptr || (known && !app->reachable)) return false;
  app->reachable = false;
  app->reason = code;
  app->looks = 0;
  if (code != kNotAllowed) app->look_at = now + wait(*app);
  return true;
}

bool AppWatch::looked(const HostPort& at, bool reachable, SteadyTime now) {
  App* app = find(at);
  if (app == nullptr || !app->looking) return false;
  app->looking = false;
  if (app->reachable || app->reason == kNotAllowed) return false;
  if (!reachable) {
    ++app->looks;
    app->look_at = now + wait(*app);
    return false;
  }
  recovered(*app);
  ++app->relapses;  // until a delivery shows that it is well
  return true;
}

bool AppWatch::rules_changed(const std::function<bool(const HostPort&)>& allowed) {
  const std::size_t before = apps_.size();
  std::erase_if(apps_, [&](const App& app) { return app.reason != kNotAllowed && !allowed(app.at); });
  bool changed = apps_.size() != before;
  for (App& app : apps_) {
    if (app.reason != kNotAllowed || !allowed(app.at)) continue;
    recovered(app);
    changed = true;
  }
  return changed;
}

std::vector<HostPort> AppWatch::take_due(SteadyTime now) {
  std::vector<HostPort> due;
  for (App& app : apps_) {
    if (!app.look_at || *app.look_at > now) continue;
    app.look_at.reset();
    app.looking = true;
    due.push_back(app.at);
  }
  return due;
}

std::optional<SteadyTime> AppWatch::next_look() const {
  std::optional<SteadyTime> next;
  for (const App& app : apps_) {
    if (app.look_at && (!next || *app.look_at < *next)) next = app.look_at;
  }
  return next;
}

std::vector<tunnel::AppHealth> AppWatch::list() const {
  std::vector<tunnel::AppHealth> out;
  for (const bool reachable : {false, true}) {
    for (const App& app : apps_) {
      if (app.reachable == reachable) out.push_back({app.at.host, app.at.port, reachable, app.reason});
    }
  }
  return out;
}

bool AppWatch::all_reachable() const {
  return std::ranges::all_of(apps_, [](const App& app) { return app.reachable; });
}

}  // namespace postern::agent
