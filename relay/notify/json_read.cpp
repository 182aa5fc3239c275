#include "relay/notify/json_read.hpp"

namespace postern::relay::json_read {

const boost::json::value* find(const boost::json::value& in, std::string_view pointer) {
  boost::system::error_code error;
  return in.find_pointer({pointer.data(), pointer.size()}, error);
}

std::string text(const boost::json::value& in, std::initializer_list<std::string_view> pointers) {
  for (const std::string_view pointer : pointers) {
    const boost::json::value* found = find(in, pointer);
    if (!found) continue;
    if (const auto* string = found->if_string(); string && !string->empty()) return std::string(*string);
    if (const auto number = integer(in, pointer)) return std::to_string(*number);
  }
  return {};
}

std::optional<std::int64_t> integer(const boost::json::value& in, std::string_view pointer) {
  const boost::json::value* found = find(in, pointer);
  if (!found || !found->is_int64()) return std::nullopt;  // what fits is parsed as int64
  return found->get_int64();
}

}  // namespace postern::relay::json_read
