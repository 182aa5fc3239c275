#include "control/cli/render.hpp"

#include "base/http/message.hpp"

namespace postern::control {

std::string raw(const boost::json::value& value) {
  return boost::json::serialize(value) + "\n";
}

Outcome<std::string> shown(Outcome<boost::json::value> answer, Form form) {
  if (!answer) return std::unexpected(answer.error());
  return form == Form::json ? raw(*answer) : format_object(answer->as_object());
}

QueryPath& QueryPath::add(std::string_view name, std::string_view value) {
  if (value.empty()) return *this;
  path_ += path_.find('?') == path_.npos ? '?' : '&';
  path_ += fmt::format("{}={}", name, http::percent_encode(value));
  return *this;
}

}  // namespace postern::control
