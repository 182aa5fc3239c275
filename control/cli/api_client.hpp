#pragma once
#include <boost/json.hpp>

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/cli/connection.hpp"

namespace postern::control {

/// Why a command could not be done: one or more lines for the person, and the exit code.
struct CommandError {
  int exit_code = 1;
  std::string message;
};
template <class T>
using Outcome = std::expected<T, CommandError>;

/// REST calls of the command line. An interface, so that commands are tested without a relay.
class ApiClient {
 public:
  virtual ~ApiClient() = default;
  /// `path` is relative to /api/v1/. The answer's JSON, null without content; a refusal is told with its
  /// field errors and what to do next. Blocks for at most half a minute.
  virtual Outcome<boost::json::value> call(std::string method, std::string path,
                                           const boost::json::value* body) = 0;
  /// The raw bytes of a GET.
  virtual Outcome<std::string> bytes(std::string path) = 0;

  Outcome<boost::json::value> get(std::string path) { return call("GET", std::move(path), nullptr); }
  Outcome<boost::json::value> post(std::string path, const boost::json::value& body) {
    return call("POST", std::move(path), &body);
  }
};

/// Over HTTP. `invalid` URLs are an error of the first call.
std::unique_ptr<ApiClient> http_api_client(Connection connection);

/// All items of a listing, page after page, at most `most`.
Outcome<boost::json::array> all_items(ApiClient& api, std::string path, std::size_t most);

/// The id of what an operator calls by name or id: an id is taken as it is, a name is looked up.
/// `kind` is the collection: "sources".
Outcome<std::string> find_id(ApiClient& api, std::string_view kind, std::string_view name_or_id);

}  // namespace postern::control
