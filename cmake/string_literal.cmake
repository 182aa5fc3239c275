# string_literal(OUT TEXT): TEXT as a C++ string literal. One may be no longer than 65536 characters, so it is cut into pieces
# that the compiler joins. ASCII only, as it is cut at any byte.
function(string_literal out text)
  string(LENGTH "${text}" length)
  set(pieces "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND pieces "R\"~~(${piece})~~\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${out} "${pieces}" PARENT_SCOPE)
endfunction()
