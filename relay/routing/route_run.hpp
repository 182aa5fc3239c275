#pragma once
#include <functional>

#include "relay/routing/program_cache.hpp"
#include "relay/routing/ruling.hpp"
#include "relay/routing/wire.hpp"

/// In the worker: one event through the programs of its routes.
namespace postern::relay {

/// What may be spent from now on. The sandbox ends the process that spends more.
using Spend = std::function<void(Stage stage, std::uint32_t cpu_us)>;

/// {"body": …, …}: `meta` with the body in it. A body that is no JSON value is null there, and its text is
/// `body_text`. Invalid when meta is no object.
Jv input_of(std::string_view meta, std::string_view body);

Ruling run_route(const RoutePrograms& programs, const Jv& input, ProgramCache& cache,
                 const WorkerRequest& limits, const Spend& spend);
/// Compiles both, runs none.
Ruling check_route(const RoutePrograms& programs, ProgramCache& cache, const WorkerRequest& limits,
                   const Spend& spend);

}  // namespace postern::relay
