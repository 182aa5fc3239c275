# Which compilers are allowed, and the flags of every build.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR
    "g++ ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines (double frees in co_await expressions). "
    "Use a preset (cmake --preset dev), which selects clang-19.")
endif()

set(POSTERN_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them (address,undefined or thread)")
option(POSTERN_FUZZ "Build the libFuzzer targets" OFF)

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers need these; without them ccache passes every file on to the compiler.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${CCACHE})
endif()

find_program(LLD NAMES ld.lld-19 ld.lld)
if(LLD)
  add_link_options(-fuse-ld=lld)
endif()

add_library(postern_flags INTERFACE)
target_compile_options(postern_flags INTERFACE
  -Wall -Wextra -Werror -Wformat=2 -Wimplicit-fallthrough -Wconversion -Wno-sign-conversion
  -Wnon-virtual-dtor -Woverloaded-virtual -Wshadow
  # One setting for all, or the shared precompiled header would not fit: everything here ends in an executable.
  -fPIE
  -fno-strict-aliasing -fno-delete-null-pointer-checks
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(postern_flags INTERFACE -Xclang -fno-pch-timestamp)
endif()
target_link_options(postern_flags INTERFACE -pie)
target_include_directories(postern_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(postern_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  POSTERN_VERSION="${PROJECT_VERSION}")

if(POSTERN_SANITIZE)
  target_compile_options(postern_flags INTERFACE
    -fsanitize=${POSTERN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(postern_flags INTERFACE -fsanitize=${POSTERN_SANITIZE})
  if(POSTERN_SANITIZE MATCHES "undefined")
    # The vptr check asks the kernel through a pipe whether memory can be read, and takes "no descriptor left" for no:
    # false reports in the tests that use up every descriptor.
    target_compile_options(postern_flags INTERFACE -fno-sanitize=vptr)
  endif()
  # Recycled frames and blocks hide use-after-free from the sanitizer.
  target_compile_definitions(postern_flags INTERFACE
    BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING)
endif()
if(POSTERN_FUZZ)
  target_compile_options(postern_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # OpenSSF compiler hardening guide, as far as clang 19 knows it.
  target_compile_options(postern_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS
    -fstack-clash-protection -fstack-protector-strong -fcf-protection=full
    -ftrivial-auto-var-init=zero -fstrict-flex-arrays=3 -fno-strict-overflow)
  target_link_options(postern_flags INTERFACE
    -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen -Wl,--as-needed)
endif()
