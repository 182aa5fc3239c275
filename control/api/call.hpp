#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>

#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "base/http/message.hpp"
#include "control/api/api_key.hpp"
#include "control/api/problem.hpp"
#include "control/api/services.hpp"

namespace postern::control {

using Reply = std::expected<http::Response, Problem>;

/// One authenticated request, matched to its route.
struct Call {
  http::Request request;
  Principal who;
  std::vector<std::string> params;  ///< what stood for each {…} of the pattern, decoded

  /// The n-th path parameter as an id; a Problem 404 when it is none: an id that cannot exist is not found.
  template <class IdType>
  std::expected<IdType, Problem> id(std::string_view what, std::size_t n = 0) const {
    const auto parsed = IdType::parse(params.at(n));
    if (!parsed) return std::unexpected(not_found(what));
    return *parsed;
  }
};

/// What is written to the audit log about a change.
struct Note {
  std::string action;  ///< "source.created"
  std::string object;  ///< its id
  boost::json::object detail = {};
};
struct Written {
  int status = 200;
  boost::json::value body = nullptr;  ///< null: no content
  Note note;
};

using ReadJob = std::function<Reply(relay::Transaction&)>;
using WriteJob = std::function<std::expected<Written, Problem>(relay::Transaction&)>;

/// Answers with what `job` reads, on a reader thread, confined to the workspace of `who`.
boost::asio::awaitable<Reply> read(const ApiServices& services, Principal who, ReadJob job);

/// Runs `job`, confined to the caller's workspace, in one transaction with its audit entry and, for a POST
/// with an Idempotency-Key, the kept answer; then brings the catalog up to date, so that whoever has the
/// answer also has the effect. A Problem undoes everything. The same key with the same request gets the first
/// answer again, marked Idempotency-Replayed: true; with another request 422. Answers are kept 24 h, sealed:
/// they may hold a secret that is shown once.
boost::asio::awaitable<Reply> write(const ApiServices& services, const Call& call, WriteJob job);

}  // namespace postern::control
