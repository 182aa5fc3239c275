#pragma once
#include <span>
#include <vector>

#include "relay/retention_times.hpp"
#include "relay/store/retention_repository.hpp"

/// What is to be removed now. Pure.
namespace postern::relay {

/// The longest time that any workspace keeps things; zero when one of them does for ever. Whole days that are
/// older are nobody's any more.
Retention longest(const Retention& setting, std::span<const Workspace> workspaces);

/// `partitioned`: events and attempts that every workspace keeps for less are dropped with their day
/// (PostgreSQL). Then only those of workspaces with shorter times are removed by themselves, and whatever is
/// still there two days after its day should have gone, because something in that day was needed.
std::vector<RetentionJob> retention_plan(const Retention& setting, std::span<const Workspace> workspaces,
                                         bool partitioned, Time now);

}  // namespace postern::relay
