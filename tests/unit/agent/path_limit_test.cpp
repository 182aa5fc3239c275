#include "agent/path_limit.hpp"

#include <gtest/gtest.h>

#include <string>

namespace postern::agent {
namespace {

struct Case {
  std::string prefix;
  std::string target;
  bool below;
};

class PathLimit : public testing::TestWithParam<Case> {};

TEST_P(PathLimit, IsNotFooled) {
  const Case& c = GetParam();
  EXPECT_EQ(is_below(c.target, c.prefix), c.below) << c.prefix << " " << c.target;
}

INSTANTIATE_TEST_SUITE_P(
    Segments, PathLimit,
    testing::Values(Case{"/hooks", "/hooks", true}, Case{"/hooks", "/hooks/", true},
                    Case{"/hooks", "/hooks/a/b", true}, Case{"/hooks", "/hooks?a=/../b", true},
                    Case{"/hooks", "/hooksmith", false}, Case{"/hooks", "/hook", false},
                    Case{"/hooks", "/Hooks", false}, Case{"/hooks", "/a/hooks", false},
                    Case{"/hooks", "/", false}, Case{"/hooks/", "/hooks", false},
                    Case{"/hooks/", "/hooks/", true}, Case{"/hooks/", "/hooks/a", true},
                    Case{"/hooks/", "/hooks/a/", true}, Case{"/hooks/", "/hooks?/", false},
                    Case{"/hooks", "/h%6fo%6Bs/a", true}, Case{"/h%6foks", "/hooks/a", true},
                    Case{"/hooks", "/hooks/%C3%A9", true}, Case{"/hooks", "/hooks;v=1", false},
                    Case{"/hooks/", "/hooks/a;v=1", true}, Case{"/hooks/", "/hooks/...", true},
                    Case{"/hooks/", "/hooks/.a", true}));
INSTANTIATE_TEST_SUITE_P(
    Tricks, PathLimit,
    testing::Values(Case{"/hooks/", "/hooks/../admin", false}, Case{"/hooks/", "/hooks/..", false},
                    Case{"/hooks/", "/hooks/./a", false}, Case{"/hooks/", "/hooks/.", false},
                    Case{"/hooks/", "/hooks/%2e%2e/admin", false},
                    Case{"/hooks/", "/hooks/%2E./admin", false}, Case{"/hooks/", "/hooks/.%2e", false},
                    Case{"/hooks/", "/hooks/..%2fadmin", false}, Case{"/hooks/", "/hooks/..%2Fadmin", false},
                    Case{"/hooks/", "/hooks/a%2fb", false}, Case{"/hooks/", "/hooks/%252e%252e/admin", false},
                    Case{"/hooks/", "/hooks/a%25", false}, Case{"/hooks/", "/hooks//a", false},
                    Case{"/hooks/", "//hooks/a", false}, Case{"/hooks/", "/hooks//../../admin", false},
                    Case{"/hooks/", "/hooks/..;/admin", false}, Case{"/hooks/", "/hooks/..;x=1/admin", false},
                    Case{"/hooks/", "/hooks/;/a", false}, Case{"/hooks/", "/hooks/%2e%2e;/admin", false},
                    Case{"/hooks/", "/hooks/..%3b/admin", false}, Case{"/hooks/", "/hooks/..\\admin", false},
                    Case{"/hooks/", "/hooks/%5c..%5cadmin", false}, Case{"/hooks/", "/hooks/%00", false},
                    Case{"/hooks/", "/hooks/a%0d%0ab", false},
                    Case{"/hooks/", "/hooks/%c0%ae%c0%ae/admin", false}, Case{"/hooks/", "/hooks/a%", false},
                    Case{"/hooks/", "/hooks/a%zz", false}, Case{"/hooks/", "/hooks/..#", false},
                    Case{"/hooks/", "http://app/hooks/a", false}, Case{"/hooks/", "hooks/a", false},
                    Case{"/hooks/", "", false}, Case{"/hooks/", "*", false}));

}  // namespace
}  // namespace postern::agent
