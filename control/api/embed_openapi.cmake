# Writes a C++ source whose one function returns the document: cmake -DIN=… -DOUT=… -P embed_openapi.cmake
file(READ ${IN} text)
# A string literal may be no longer than 65536 characters: cut into pieces that the compiler joins.
string(LENGTH "${text}" length)
set(pieces "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(APPEND pieces "R\"~~(${piece})~~\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUT} "#include \"control/api/openapi.hpp\"\n\nnamespace postern::control {\n\nstd::string_view openapi_yaml() { return\n${pieces}; }\n\n}  // namespace postern::control\n")
