// A TCP proxy for tests that does to connections what networks do; proxy.hpp has its commands. It prints
// "ready port=N", answers each line on its standard input with one, and ends with its input.
//   test_fault_proxy --target HOST:PORT [--listen HOST:PORT]
#include <CLI/CLI.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>

#include <iostream>

#include "tests/support/fault_proxy/proxy.hpp"

namespace postern::test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

tcp::endpoint endpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  return {asio::ip::make_address(text.substr(0, colon)),
          static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)))};
}

/// Reads commands until the input ends, and then lets the program end.
class Console {
 public:
  Console(asio::io_context& loop, Proxy& proxy) : loop_(loop), proxy_(proxy), input_(loop, STDIN_FILENO) {}

  void read() {
    asio::async_read_until(input_, asio::dynamic_buffer(pending_), '\n',
                           [this](const boost::system::error_code& error, std::size_t size) {
                             if (error) return loop_.stop();
                             std::cout << proxy_.command(pending_.substr(0, size - 1)) << std::endl;
                             pending_.erase(0, size);
                             read();
                           });
  }

 private:
  asio::io_context& loop_;
  Proxy& proxy_;
  asio::posix::stream_descriptor input_;
  std::string pending_;
};

int run(const std::string& listen, const std::string& target) {
  asio::io_context loop(1);
  Proxy proxy(loop, endpoint(target));
  std::cout << "ready port=" << proxy.listen(endpoint(listen)) << std::endl;
  Console console(loop, proxy);
  console.read();
  loop.run();
  return 0;
}

}  // namespace
}  // namespace postern::test

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:0";
  std::string target;
  CLI::App app{"A TCP proxy that does what networks do"};
  app.add_option("--listen", listen, "HOST:PORT");
  app.add_option("--target", target, "HOST:PORT")->required();
  CLI11_PARSE(app, argc, argv);
  return postern::test::run(listen, target);
}
