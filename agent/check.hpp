#pragma once
#include <string>
#include <utility>

namespace postern::agent {

/// One step of the way from this host to the relay and to the apps.
struct Check {
  std::string name;
  enum class Verdict { pass, fail, skipped } verdict = Verdict::skipped;
  std::string detail;
  std::string fix;  ///< what to do about it; only with fail
};

inline Check pass(std::string name, std::string detail) {
  return {std::move(name), Check::Verdict::pass, std::move(detail), ""};
}
inline Check fails(std::string name, std::string detail, std::string fix) {
  return {std::move(name), Check::Verdict::fail, std::move(detail), std::move(fix)};
}
inline Check skipped(std::string name) {
  return {std::move(name), Check::Verdict::skipped, "an earlier step failed", ""};
}

}  // namespace postern::agent
