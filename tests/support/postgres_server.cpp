#include "tests/support/postgres_server.hpp"

#include <boost/json.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "base/file.hpp"
#include "tests/support/child_process.hpp"

namespace postern {
namespace {

std::string from_file(const char* file) {
  const auto content = read_file(file);
  if (!content) throw std::runtime_error("POSTERN_TEST_POSTGRES: " + content.error().message);
  return std::string(boost::json::parse(*content).at("url").as_string());
}

std::string of_our_own() {
  static ChildProcess server(
      {"/usr/bin/python3", POSTERN_SOURCE_DIR "/tests/support/postgres_server.py", "run"});
  return server.read_line();
}

}  // namespace

const std::string& test_postgres_url() {
  static const std::string url = [] {
    const char* const file = std::getenv("POSTERN_TEST_POSTGRES");
    return file != nullptr ? from_file(file) : of_our_own();
  }();
  return url;
}

}  // namespace postern
