#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/routing/ruling.hpp"

/// What the relay and its worker processes say to each other: frames of a 32-bit length and that many bytes,
/// in this host's byte order. The worker runs programs of strangers, so the relay believes nothing about a
/// frame: its readers accept any bytes, allocate no more than they were given, and answer nullopt. Pure.
namespace postern::relay {

struct WorkerRequest {
  enum class Task : std::uint8_t { run, check };  ///< check: compile only
  Task task = Task::run;
  std::uint32_t program_time_us = 0;  ///< CPU time of one program, and of compiling it ten times that
  std::uint32_t input_time_us = 0;    ///< CPU time for reading the event
  std::string_view meta;              ///< JSON object: all of the input but the body
  std::string_view body;              ///< raw
  std::vector<RoutePrograms> routes;
};

inline constexpr std::size_t kFrameHead = 4;
inline constexpr std::size_t kRequestBytesMax = 128 * 1024 * 1024;
/// A payload of full size, and more headers than it may have: what is too much there is told by name.
inline constexpr std::size_t kReplyBytesMax = kPayloadBytesMax + 512 * 1024;

/// Programs word their errors with whatever they like, of any length: a person reads the beginning.
inline constexpr std::size_t kMessageBytesMax = 4 * 1024;

/// With its head. `first`: routes before it are left out.
std::string encode(const WorkerRequest& request, std::size_t first = 0);
/// One frame a route, in their order. With its head. A message that is too long is cut between two
/// characters.
std::string encode(const Ruling& ruling);

/// Content of a frame, without its head. The views point into `content`.
std::optional<WorkerRequest> decode_request(std::string_view content);
std::optional<Ruling> decode_ruling(std::string_view content);

/// The length in a head; nullopt when it is over `most`.
std::optional<std::size_t> frame_length(std::string_view head, std::size_t most);

}  // namespace postern::relay
