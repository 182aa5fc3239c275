#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "control/api/problem.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {

/// Reads the parameters of a listing and collects what is wrong with them; a parameter nobody asked for is an
/// error.
class Query {
 public:
  explicit Query(std::string_view query) : query_(query) {}

  std::optional<std::string> text(std::string_view name);
  std::optional<Time> time(std::string_view name);  ///< RFC 3339
  relay::Page page();                               ///< limit (1 to 500, default 50) and cursor

  template <class IdType>
  std::optional<IdType> id(std::string_view name) {
    const auto written = text(name);
    if (!written) return std::nullopt;
    const auto parsed = IdType::parse(*written);
    if (!parsed) wrong(name, "is not an id of that kind.");
    return parsed;
  }
  void wrong(std::string_view name, std::string message);

  /// nullopt when all is well; otherwise a 400 with every error.
  std::optional<Problem> finish();

 private:
  std::string_view query_;
  std::vector<std::string> asked_;
  std::vector<FieldError> errors_;
};

}  // namespace postern::control
