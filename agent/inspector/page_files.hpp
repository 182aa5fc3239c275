#pragma once
#include <span>
#include <string_view>

namespace postern::agent::inspector {

struct PageFile {
  std::string_view path;
  std::string_view content_type;
  std::string_view text;
};
/// What a browser loads: the same for everyone, without a secret. Compiled in from page/.
std::span<const PageFile> page_files();

}  // namespace postern::agent::inspector
