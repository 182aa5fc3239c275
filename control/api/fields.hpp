#pragma once
#include <boost/json.hpp>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "control/api/problem.hpp"

namespace postern::control {

/// Reads the fields of a JSON object by name and type and collects everything that is wrong, so that one
/// answer tells the client all of it. A field that is absent is nullopt; null counts as absent only where it
/// says so. `finish` adds an error for each field that nobody asked for: a misspelt option must never be
/// silently without effect.
class Fields {
 public:
  explicit Fields(const boost::json::object& object) : object_(object) {}

  bool has(std::string_view name) const { return object_.contains(name); }
  void require(std::string_view name);

  std::optional<std::string> text(std::string_view name, std::size_t most_bytes, std::size_t least_bytes = 1);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<Duration> duration(std::string_view name, Duration least, Duration most);  ///< "30s", "50ms"
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t most_items,
                                                std::size_t most_bytes);
  std::optional<std::vector<Duration>> durations(std::string_view name, std::size_t most_items,
                                                 Duration most);
  std::optional<std::vector<int>> integers(std::string_view name, std::size_t most_items, int least,
                                           int most);
  const boost::json::object* object(std::string_view name);
  /// {"per_second": 1…1000000, "burst": 0…1000000}; null is both 0, which is the default's.
  struct Rate {
    std::uint32_t per_second = 0;
    std::uint32_t burst = 0;
  };
  std::optional<Rate> rate(std::string_view name);
  const boost::json::value* any(std::string_view name) { return find(name); }  ///< null when absent

  template <class IdType>
  std::optional<IdType> id(std::string_view name) {
    const auto written = text(name, 64);
    if (!written) return std::nullopt;
    const auto parsed = IdType::parse(*written);
    if (!parsed) wrong_id(name, *written, IdType{}.to_string().substr(0, 3));
    return parsed;
  }

  void wrong(std::string_view name, std::string message);
  /// nullopt when all is well; otherwise the 422 with every error.
  std::optional<Problem> finish();

 private:
  const boost::json::value* find(std::string_view name);
  const boost::json::array* array(std::string_view name, std::size_t most_items, std::string_view of);
  void wrong_id(std::string_view name, std::string_view written, std::string_view prefix);

  const boost::json::object& object_;
  std::set<std::string, std::less<>> asked_;
  std::vector<FieldError> errors_;
};

}  // namespace postern::control
