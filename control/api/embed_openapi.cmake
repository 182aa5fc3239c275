# Writes a C++ source whose one function returns the document: cmake -DIN=… -DOUT=… -P embed_openapi.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../../cmake/string_literal.cmake)
file(READ ${IN} text)
string_literal(pieces "${text}")
file(WRITE ${OUT} "#include \"control/api/openapi.hpp\"\n\nnamespace postern::control {\n\nstd::string_view openapi_yaml() { return\n${pieces}; }\n\n}  // namespace postern::control\n")
