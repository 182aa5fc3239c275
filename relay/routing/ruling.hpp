#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "relay/model.hpp"

namespace postern::relay {

/// The programs of one route, as text. An empty one is not run.
struct RoutePrograms {
  std::string filter;
  std::string transform;
  bool operator==(const RoutePrograms&) const = default;
};

/// Where in a route's evaluation something happened.
enum class Stage : std::uint8_t { input, filter, transform };
inline constexpr std::size_t kStages = 3;

/// Why programs failed.
enum class Fault : std::uint8_t {
  invalid,    ///< the text is no jq program
  error,      ///< jq stopped with an error of its own, such as "Cannot index number with ..."
  shape,      ///< a transform gave something that cannot be sent
  too_large,  ///< a transform gave more than 1 MiB
  time,       ///< over routes.program_time, or the time for one event was used up
  memory,     ///< over routes.memory
  crashed,    ///< the worker broke, most often on a value nested too deeply
  lost,       ///< the worker ended for no reason of its own, twice
  suspended,  ///< it broke its limits too often just now; it was not run
};
inline constexpr std::size_t kFaults = 9;
std::string_view to_text(Fault fault);

/// What a route's programs say of one event.
struct Ruling {
  enum class Kind : std::uint8_t { passed, skipped, transformed, failed };
  Kind kind = Kind::passed;
  std::shared_ptr<const Payload> payload = {};  ///< transformed
  Stage stage = Stage::input;  ///< failed: where; skipped: filter, or the transform gave nothing
  Fault fault = Fault::error;  ///< failed
  std::string message = {};    ///< failed: one sentence

  static Ruling skipped(Stage stage) { return {.kind = Kind::skipped, .stage = stage}; }
  static Ruling failed(Stage stage, Fault fault, std::string message) {
    return {.kind = Kind::failed, .stage = stage, .fault = fault, .message = std::move(message)};
  }
};

inline constexpr std::size_t kProgramBytesMax = 8 * 1024;
inline constexpr std::size_t kPayloadBytesMax = 1024 * 1024;

}  // namespace postern::relay
