# A room is a folder with a library of its own. Its link list is its list of arrows: a room can only
# include what it links, and tests/unit/arrows_test.py holds the includes to the same picture.
#
#   postern_room(NAME [LINKS target...])   every .cpp of this folder (not of sub-folders, not main.cpp)
function(postern_room name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC postern_flags ${ARG_LINKS})
    if(TARGET postern_base AND NOT name STREQUAL "postern_base")
      target_precompile_headers(${name} REUSE_FROM postern_base)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE postern_flags ${ARG_LINKS})
  endif()
endfunction()
