#include "agent/notify.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "temp_dir.hpp"

namespace postern::agent {
namespace {

/// The manager's end.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
  }
  ~Manager() { ::close(fd_); }
  std::string heard() {
    std::string text(1024, '\0');
    const ssize_t got = ::recv(fd_, text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }

 private:
  int fd_;
};

TEST(ServiceManager, IsToldInTheWordsOfSdNotify) {
  const TempDir dir;
  const std::string path = (dir / "notify").string();
  Manager manager(path);
  ServiceManager told(path.c_str());
  told.ready();
  EXPECT_EQ(manager.heard(), "READY=1");
  told.reloading(SteadyTime(Duration(1234)));
  EXPECT_EQ(manager.heard(), "RELOADING=1\nMONOTONIC_USEC=1234");
  told.stopping();
  EXPECT_EQ(manager.heard(), "STOPPING=1");
  told.alive();
  EXPECT_EQ(manager.heard(), "WATCHDOG=1");
  told.succeeded_by(12);
  EXPECT_EQ(manager.heard(), "MAINPID=12");
}

TEST(ServiceManager, HearsOfAStatusOnceAndInOneLine) {
  const std::string name = "@postern-notify-test-" + std::to_string(::getpid());
  Manager manager(name);
  ServiceManager told(name.c_str());
  told.status("waiting:\nREADY=1");
  EXPECT_EQ(manager.heard(), "STATUS=waiting: READY=1");
  told.status("waiting:\nREADY=1");
  EXPECT_EQ(manager.heard(), "");
  told.status("connected");
  EXPECT_EQ(manager.heard(), "STATUS=connected");
}

TEST(ServiceManager, IsNotNeeded) {
  for (const char* socket : {static_cast<const char*>(nullptr), "", "relative", "/nowhere/notify"}) {
    ServiceManager nobody(socket);
    nobody.ready();
  }
  EXPECT_FALSE(ServiceManager(std::string(200, '/').c_str()).is_there());
}

}  // namespace
}  // namespace postern::agent
