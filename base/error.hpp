#pragma once
#include <expected>
#include <string>
#include <utility>

namespace postern {

/// An outcome the caller must handle. Faults (a bug, a broken machine) are exceptions instead.
struct Error {
  std::string code;     ///< stable machine word in snake_case; part of the API where it leaves the process
  std::string message;  ///< one sentence for a person: what is wrong and, where known, what to do next
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string code, std::string message) {
  return std::unexpected(Error{std::move(code), std::move(message)});
}

}  // namespace postern
