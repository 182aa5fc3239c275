#pragma once
#include <string>

namespace postern {

/// The PostgreSQL server of this test run: the one that POSTERN_TEST_POSTGRES names (a file written by
/// tests/support/postgres_server.py), else one of this process's own, which ends with it. Its address ends in
/// "/postgres", and its role may make databases.
const std::string& test_postgres_url();

}  // namespace postern
