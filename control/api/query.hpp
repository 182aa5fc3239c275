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
  /// limit (1 to 500, default 50) and cursor. The store takes a cursor that is none for the end of the list;
  /// a client that sends one is told instead. Most listings count on by id; that of events by time and row.
  template <class IdType>
  relay::Page page() {
    return page_where([](std::string_view cursor) { return IdType::parse(cursor).has_value(); });
  }
  relay::Page page_of_events();

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
  relay::Page page_where(bool (*is_cursor)(std::string_view));

  std::string_view query_;
  std::vector<std::string> asked_;
  std::vector<FieldError> errors_;
};

}  // namespace postern::control
