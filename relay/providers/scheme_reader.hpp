#pragma once
#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace postern::relay {

template <class T>
struct Choice {
  std::string_view word;
  T value;
};

/// Reads one JSON object of a scheme field by field and remembers, in `first`, the first thing that is wrong
/// with it; what it returns after that is a default and means nothing. The object and `first` outlive it.
class SchemeReader {
 public:
  SchemeReader(const boost::json::object& object, std::string path, std::optional<Error>& first)
      : object_(&object), path_(std::move(path)), first_(first) {}

  void refuse(std::string_view field, std::string_view what);
  /// Refuses fields of any other name, and names the nearest known one.
  void only(std::span<const std::string_view> fields);

  bool has(std::string_view field) const { return object_->if_contains(field) != nullptr; }
  bool is_text(std::string_view field, std::string_view text) const;
  std::string text(std::string_view field, std::size_t bytes_max);  ///< printable ASCII; "" when absent
  std::string header_name(std::string_view field);                  ///< required; an RFC 9110 token
  std::int64_t integer(std::string_view field, std::int64_t least, std::int64_t most, std::int64_t otherwise);
  SchemeReader object(std::string_view field);

  template <class T>
  T choice(std::string_view field, std::span<const Choice<T>> choices, T otherwise) {
    if (!has(field)) return otherwise;
    const std::string word = text(field, 64);
    std::string all;
    for (const Choice<T>& choice : choices) {
      if (choice.word == word) return choice.value;
      all.append(all.empty() ? "" : ", ").append(choice.word);
    }
    refuse(field, "must be one of " + all);
    return otherwise;
  }

 private:
  const boost::json::object* object_;
  std::string path_;
  std::optional<Error>& first_;
};

}  // namespace postern::relay
