#pragma once
#include <span>
#include <string_view>

#include "base/http/message.hpp"

namespace postern::agent {

/// The first header by which an app's framework may be told to take a request for another one, of another
/// method (X-HTTP-Method-Override and its like: Rails, Express, Symfony, ASP.NET) or another path
/// (X-Original-URL, X-Rewrite-URL: IIS, Symfony, Zend); empty when there is none. What an app does by query
/// or form (`_method`) cannot be seen from outside.
///
/// Case does not count, nor whether words are joined by - or _: many apps see the two as one.
std::string_view override_header(std::span<const http::Header> headers);

}  // namespace postern::agent
