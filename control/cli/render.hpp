#pragma once
#include <string>

#include "control/cli/actions.hpp"

namespace postern::control {

/// JSON as it came, on one line.
std::string raw(const boost::json::value& value);
/// One object, for people or raw.
Outcome<std::string> shown(Outcome<boost::json::value> answer, Form form);

/// "path?a=1&b=2" out of what is not empty.
class QueryPath {
 public:
  explicit QueryPath(std::string path) : path_(std::move(path)) {}
  QueryPath& add(std::string_view name, std::string_view value);
  const std::string& text() const { return path_; }

 private:
  std::string path_;
};

}  // namespace postern::control
