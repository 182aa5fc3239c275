#include "base/log.hpp"

#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/clock.hpp"

namespace postern::log {
namespace {

struct State {
  std::atomic<Level> least = Level::info;
  Format format = Format::text;
  std::mutex writing;
  bool cut = false;  ///< the last line ended in the middle; under `writing`
};

State& state() {
  static State instance;
  return instance;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
  }
  return "error";
}

std::string json_quoted(std::string_view text) {
  return boost::json::serialize(boost::json::value(boost::json::string(text)));
}

bool plain(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "_-.:/+@,[]()") == std::string_view::npos;
}

std::string as_text(Level level, std::string_view event, Fields fields) {
  std::string line = fmt::format("{} {:<5} {}", to_rfc3339(SystemClock().now()), name_of(level), event);
  for (const Field& field : fields) {
    line += fmt::format(" {}={}", field.name, plain(field.value) ? field.value : json_quoted(field.value));
  }
  return line;
}

std::string as_json(Level level, std::string_view event, Fields fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","event":{})", to_rfc3339(SystemClock().now()),
                                 name_of(level), json_quoted(event));
  for (const Field& field : fields)
    line += fmt::format(",{}:{}", json_quoted(field.name), json_quoted(field.value));
  return line + "}";
}

/// At once and whole; what cannot be written is lost, and nobody can be told. Returns how much was written.
std::size_t write_all(std::string_view line) {
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t wrote = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (wrote < 0 && errno != EINTR) break;
    if (wrote > 0) done += static_cast<std::size_t>(wrote);
  }
  return done;
}

/// After half a line, of a full disk or a pipe that nobody empties, the next one begins on a line of its own.
void write_line(std::string line, bool& cut) {
  if (cut) line.insert(0, 1, '\n');
  const std::size_t done = write_all(line);
  if (done > 0) cut = line[done - 1] != '\n';
}

}  // namespace

void configure(Level least, Format format) {
  state().least = least;
  state().format = format;
}

void set_level(Level least) {
  state().least = least;
}

bool enabled(Level level) {
  return level >= state().least;
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  std::string line =
      state().format == Format::json ? as_json(level, event, fields) : as_text(level, event, fields);
  line += '\n';
  const std::lock_guard lock(state().writing);
  write_line(std::move(line), state().cut);
}

}  // namespace postern::log
