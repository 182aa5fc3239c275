#include "relay/retention/plan.hpp"

#include <algorithm>

namespace postern::relay {
namespace {

constexpr Duration kGrace = std::chrono::days(2);

Duration longer(Duration one, Duration other) {
  if (one == Duration::zero() || other == Duration::zero()) return Duration::zero();
  return std::max(one, other);
}

}  // namespace

Retention longest(const Retention& setting, std::span<const Workspace> workspaces) {
  if (workspaces.empty()) return setting;
  Retention all = with(setting, workspaces.front().retention);
  for (const Workspace& workspace : workspaces.subspan(1)) {
    const Retention own = with(setting, workspace.retention);
    all = {longer(all.bodies, own.bodies), longer(all.events, own.events),
           longer(all.attempts, own.attempts)};
  }
  return all;
}

std::vector<RetentionJob> retention_plan(const Retention& setting, std::span<const Workspace> workspaces,
                                         bool partitioned, Time now) {
  const Retention all = longest(setting, workspaces);
  std::vector<RetentionJob> jobs;
  const auto add = [&](WorkspaceId workspace, Retained what, Duration time) {
    if (time > Duration::zero()) jobs.push_back({workspace, what, now - time});
  };
  for (const Workspace& workspace : workspaces) {
    const Retention own = with(setting, workspace.retention);
    const bool bodies_go_first = own.events == Duration::zero() || own.bodies < own.events;
    if (bodies_go_first) add(workspace.id, Retained::bodies, own.bodies);
    const bool with_the_day = partitioned && own.events == all.events && own.events > Duration::zero();
    add(workspace.id, Retained::events, own.events + (with_the_day ? kGrace : Duration::zero()));
    const bool gone_with_event = own.events > Duration::zero() && own.events <= own.attempts && !partitioned;
    const bool attempts_by_day = partitioned && own.attempts == all.attempts;
    if (!gone_with_event && !attempts_by_day) add(workspace.id, Retained::attempts, own.attempts);
  }
  return jobs;
}

}  // namespace postern::relay
