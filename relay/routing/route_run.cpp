#include "relay/routing/route_run.hpp"

#include "relay/routing/payload.hpp"

namespace postern::relay {
namespace {

Ruling failed(Stage stage, const Error& error) {
  const Fault fault = error.code == "invalid_program" ? Fault::invalid
                      : error.code == "too_large"     ? Fault::too_large
                                                      : Fault::shape;
  return Ruling::failed(stage, fault, error.message);
}

class Reset {
 public:
  explicit Reset(Program& program) : program_(program) {}
  ~Reset() { program_.reset(); }
  Reset(const Reset&) = delete;
  Reset& operator=(const Reset&) = delete;

 private:
  Program& program_;
};

class Run {
 public:
  Run(ProgramCache& cache, const WorkerRequest& limits, const Spend& spend)
      : cache_(cache), limits_(limits), spend_(spend) {}

  Result<Program*> compiled(Stage stage, const std::string& text) {
    // libjq compiles its own library along with every program: that is not the program's fault.
    if (!cache_.has(text)) spend_(stage, limits_.program_time_us * 10);
    const auto& program = cache_.get(text);
    if (!program) return std::unexpected(program.error());
    return program->get();
  }

  /// nullopt: the event goes on.
  std::optional<Ruling> filter(const std::string& text, const Jv& input) {
    const auto program = compiled(Stage::filter, text);
    if (!program) return failed(Stage::filter, program.error());
    spend_(Stage::filter, limits_.program_time_us);
    const Reset after(**program);
    (*program)->start(Jv(input.copy()));
    auto given = (*program)->next();
    if (auto* error = std::get_if<Program::Failed>(&given)) {
      return Ruling::failed(Stage::filter, Fault::error, std::move(error->message));
    }
    const Jv* const value = std::get_if<Jv>(&given);
    if (value == nullptr || !value->truthy()) return Ruling::skipped(Stage::filter);
    return std::nullopt;
  }

  Ruling transform(const std::string& text, const Jv& input) {
    const auto program = compiled(Stage::transform, text);
    if (!program) return failed(Stage::transform, program.error());
    spend_(Stage::transform, limits_.program_time_us);
    const Reset after(**program);
    (*program)->start(Jv(input.copy()));
    auto given = (*program)->next();
    if (std::holds_alternative<Program::Nothing>(given)) return Ruling::skipped(Stage::transform);
    auto more = std::holds_alternative<Jv>(given) ? (*program)->next() : Program::Nothing{};
    for (auto* each : {&given, &more}) {
      if (auto* error = std::get_if<Program::Failed>(each)) {
        return Ruling::failed(Stage::transform, Fault::error, std::move(error->message));
      }
    }
    if (std::holds_alternative<Jv>(more)) {
      return Ruling::failed(Stage::transform, Fault::shape,
                            "the transform gave more than one value; put them into an array: [ … ]");
    }
    auto payload = payload_of(std::get<Jv>(std::move(given)));
    if (!payload) return failed(Stage::transform, payload.error());
    Ruling ruling{.kind = Ruling::Kind::transformed, .stage = Stage::transform};
    ruling.payload = std::make_shared<const Payload>(std::move(*payload));
    return ruling;
  }

 private:
  ProgramCache& cache_;
  const WorkerRequest& limits_;
  const Spend& spend_;
};

}  // namespace

Jv input_of(std::string_view meta, std::string_view body) {
  Jv input(jv_parse_sized(meta.data(), static_cast<int>(meta.size())));
  if (input.kind() != JV_KIND_OBJECT) return Jv(jv_invalid());
  Jv parsed(jv_parse_sized(body.data(), static_cast<int>(body.size())));
  if (parsed.valid()) {
    return Jv(jv_object_set(input.release(), jv_string("body"), parsed.release()));
  }
  input = Jv(jv_object_set(input.release(), jv_string("body"), jv_null()));
  return Jv(jv_object_set(input.release(), jv_string("body_text"), jv_text(body).release()));
}

Ruling run_route(const RoutePrograms& programs, const Jv& input, ProgramCache& cache,
                 const WorkerRequest& limits, const Spend& spend) {
  Run run(cache, limits, spend);
  if (!programs.filter.empty()) {
    if (auto settled = run.filter(programs.filter, input)) return std::move(*settled);
  }
  if (!programs.transform.empty()) return run.transform(programs.transform, input);
  return {};
}

Ruling check_route(const RoutePrograms& programs, ProgramCache& cache, const WorkerRequest& limits,
                   const Spend& spend) {
  Run run(cache, limits, spend);
  for (const auto& [stage, text] :
       {std::pair(Stage::filter, &programs.filter), std::pair(Stage::transform, &programs.transform)}) {
    if (text->empty()) continue;
    const auto program = run.compiled(stage, *text);
    if (!program) return failed(stage, program.error());
  }
  return {};
}

}  // namespace postern::relay
