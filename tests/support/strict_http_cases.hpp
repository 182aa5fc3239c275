#pragma once
#include <string>
#include <vector>

namespace postern::test {

/// One row of strict_http_cases.json: raw request bytes and what a listener must make of them. The same table
/// feeds the parser's unit tests and the raw-socket tests against running programs.
///
/// In the file every character of a string is one byte (0 to 255), and a value may be a list of strings and
/// {"repeat": text, "times": n}.
struct StrictHttpCase {
  std::string name;
  std::string request;
  int status = 0;      ///< 200: accepted
  std::string reason;  ///< when refused
  std::string method, target, body;
  bool keep_alive = false;

  bool accepted() const { return status == 200; }
};

std::vector<StrictHttpCase> strict_http_cases();

}  // namespace postern::test
