#include "base/http/connect_unix.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace postern::http {

using boost::asio::ip::tcp;

boost::system::error_code connect_unix(tcp::socket& socket, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return boost::system::errc::make_error_code(boost::system::errc::filename_too_long);
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  boost::system::error_code error;
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    error.assign(errno, boost::system::system_category());
  if (!error) socket.assign(tcp::v4(), fd, error);
  if (error && fd >= 0) ::close(fd);
  return error;
}

}  // namespace postern::http
