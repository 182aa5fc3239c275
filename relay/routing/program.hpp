#pragma once
#include <memory>
#include <string>
#include <variant>

#include "base/error.hpp"
#include "relay/routing/jv.hpp"

namespace postern::relay {

/// A compiled jq program that sees nothing of the host: no modules, no environment, no further inputs. It is
/// not bounded in time or memory and ends the process when there is no more, so it only ever runs in a
/// worker. One thread at a time.
class Program {
 public:
  /// Error `invalid_program`: what jq says, without its talk of shells, and with the line.
  static Result<std::unique_ptr<Program>> compile(const std::string& text);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void start(Jv input);
  struct Nothing {};  ///< it has given all it has
  struct Failed {
    std::string message;
  };
  /// The next value it gives.
  std::variant<Jv, Nothing, Failed> next();
  /// Forgets the input and all it has made of it, which it would otherwise hold until the next start.
  void reset();

 private:
  explicit Program(jq_state* state) : state_(state) {}
  jq_state* state_;
};

}  // namespace postern::relay
