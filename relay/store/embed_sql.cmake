# cmake -D OUT=file.cpp -D DIR=migrations/sqlite -D NAME=sqlite_migrations -P embed_sql.cmake
# Writes every numbered SQL file of DIR into one source file, so that the program needs no files beside it.
file(GLOB files ${DIR}/*.sql)
list(SORT files)
set(table "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+$")
    message(FATAL_ERROR "${file}: a migration is named like 0001_init.sql")
  endif()
  string(REGEX REPLACE "^0*([0-9]+)$" "\\1" number ${CMAKE_MATCH_1})
  file(READ ${file} sql)
  string(APPEND table "    {${number}, \"${name}\", R\"sql(${sql})sql\"},\n")
endforeach()
file(WRITE ${OUT} "#include \"relay/store/sqlite/migrate.hpp\"

namespace postern::relay {

std::span<const Migration> ${NAME}() {
  static constexpr Migration kMigrations[] = {
${table}  };
  return kMigrations;
}

}  // namespace postern::relay
")
