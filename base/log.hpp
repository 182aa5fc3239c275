#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/format.h>

/// One line an event on stderr, as text or JSON: time, level, a dotted event name, and fields.
///
///   log::info("agent.connected", {{"agent", id}, {"peer", address}});
///
/// Event names are stable and are for machines to match; the fields carry the rest. Values are escaped, so a
/// hostile value can never start a line of its own. Never pass a secret: there is no filter that would catch
/// it. Safe from any thread. Correlate with ids: event, delivery, agent, source, workspace, request.
namespace postern::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

struct Field {
  std::string_view name;
  std::string value;

  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  Field(std::string_view n, const char* v) : name(n), value(v) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Field(std::string_view n, Number v) : name(n), value(fmt::format("{}", v)) {}
  /// Anything with to_string(), such as an Id.
  template <class T>
    requires requires(const T& t) {
      { t.to_string() } -> std::convertible_to<std::string>;
    }
  Field(std::string_view n, const T& v) : name(n), value(v.to_string()) {}
};
using Fields = std::initializer_list<Field>;

/// Call once, before any thread starts. Default: info, text.
void configure(Level least, Format format);
void set_level(Level least);  ///< at any time
bool enabled(Level level);
void write(Level level, std::string_view event, Fields fields = {});

inline void debug(std::string_view event, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) {
  write(Level::info, event, fields);
}
inline void warn(std::string_view event, Fields fields = {}) {
  write(Level::warn, event, fields);
}
inline void error(std::string_view event, Fields fields = {}) {
  write(Level::error, event, fields);
}

}  // namespace postern::log
