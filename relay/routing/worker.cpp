#include "relay/routing/worker.hpp"

#include <unistd.h>

#include <cerrno>
#include <new>

#include "base/bytes.hpp"
#include "relay/routing/route_run.hpp"
#include "relay/routing/sandbox.hpp"
#include "relay/routing/wire.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kProgramsKept = 256;

bool read_all(char* to, std::size_t count) {
  while (count > 0) {
    const ssize_t got = ::read(kWorkerSocket, to, count);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::write(kWorkerSocket, bytes.data(), bytes.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::optional<std::string> read_frame() {
  char head[kFrameHead];
  if (!read_all(head, sizeof head)) return std::nullopt;
  const auto length = frame_length({head, sizeof head}, kRequestBytesMax);
  if (!length) return std::nullopt;
  std::string content(*length, '\0');
  if (!read_all(content.data(), content.size())) return std::nullopt;
  return content;
}

bool serve(const WorkerRequest& request, ProgramCache& cache) {
  const bool running = request.task == WorkerRequest::Task::run;
  Jv input(jv_null());
  if (running) {
    spend(Stage::input, request.input_time_us);
    input = input_of(request.meta, request.body);
  }
  for (const RoutePrograms& route : request.routes) {
    const Ruling ruling =
        running ? run_route(route, input, cache, request, spend) : check_route(route, cache, request, spend);
    spend(Stage::input, 0);
    if (!write_all(encode(ruling))) return false;
  }
  return true;
}

int serve_all() {
  ProgramCache cache(kProgramsKept);
  while (true) {
    const auto frame = read_frame();
    const auto request = frame ? decode_request(*frame) : std::nullopt;
    if (!request || !serve(*request, cache)) return 0;
  }
}

}  // namespace

int run_worker(std::span<char* const> arguments) {
  constexpr int kUsage = 2;
  if (arguments.size() != 2) return kUsage;
  const auto parent = parse_u64(arguments[0]);
  const auto memory = parse_u64(arguments[1]);
  if (!parent || !memory || !enter_sandbox(static_cast<int>(*parent), *memory)) return kUsage;
  try {
    return serve_all();
  } catch (const std::bad_alloc&) {
    end_without_memory();
  }
}

}  // namespace postern::relay
