# cmake -D OUT=file.cpp -D DIR=page -P embed_page.cmake
# Writes the files of the page into one source, so that the program needs none beside it.
include(${CMAKE_CURRENT_LIST_DIR}/../../cmake/string_literal.cmake)
set(table "")
foreach(row "/|index.html|text/html" "/inspector.js|inspector.js|text/javascript" "/body.js|body.js|text/javascript"
    "/inspector.css|inspector.css|text/css" "/icon.svg|icon.svg|image/svg+xml")
  string(REPLACE "|" ";" row "${row}")
  list(GET row 0 path)
  list(GET row 1 file)
  list(GET row 2 type)
  file(READ ${DIR}/${file} text)
  if(text MATCHES "[^\n -~]")
    message(FATAL_ERROR "${DIR}/${file}: only ASCII here, as it is cut at any byte")
  endif()
  string_literal(pieces "${text}")
  string(APPEND table "    {\"${path}\", \"${type}; charset=utf-8\", ${pieces}},\n")
endforeach()
file(WRITE ${OUT} "#include \"agent/inspector/page_files.hpp\"

namespace postern::agent::inspector {

std::span<const PageFile> page_files() {
  static constexpr PageFile kFiles[] = {
${table}  };
  return kFiles;
}

}  // namespace postern::agent::inspector
")
