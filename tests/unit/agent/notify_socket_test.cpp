#include "agent/notify_socket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

#include "tests/unit/agent/temp_dir.hpp"

namespace postern::agent {
namespace {

/// Who supervises: a datagram socket of this name, where @ stands for a zero byte.
class Supervisor {
 public:
  explicit Supervisor(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Supervisor() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd_);
  }
  std::string heard() const {
    char text[100];
    const ssize_t size = ::recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
  }

 private:
  int fd_;
};

TEST(NotifySocket, ASupervisorHears) {
  const TempDir dir;
  for (const std::string& name :
       {(dir.path() / "notify").string(), "@postern-test-" + std::to_string(::getpid())}) {
    const Supervisor supervisor(name);
    EXPECT_TRUE(notify_supervisor("MAINPID=12"));
    EXPECT_EQ(supervisor.heard(), "MAINPID=12");
  }
}

TEST(NotifySocket, WithoutOneNothingIsSaid) {
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(notify_supervisor("READY=1"));
  ::setenv("NOTIFY_SOCKET", std::string(200, '/').c_str(), 1);
  EXPECT_FALSE(notify_supervisor("READY=1"));
  ::setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  EXPECT_FALSE(notify_supervisor("READY=1"));
  ::unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace postern::agent
