// Many agents in one process, each with a session and a loopback address of its own, for tests of herds.
// Reads "agt_… SECRET" lines (test_add_agents) from --agents, and where the relay is from a join token, which
// it does not use up. Prints "ready"; answers each line on its standard input with "connected N sessions N
// answered N", and ends with it.
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>

#include <fstream>
#include <iostream>

#include "base/bytes.hpp"
#include "base/spawn.hpp"
#include "tests/support/agent_host/herd.hpp"
#include "tunnel-proto/join_token.hpp"

namespace postern::test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::uint32_t kFirstAddress = 0x7F010001;  // 127.1.0.1

void open_many_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &files);
}

std::vector<HostedAgent> read_agents(const std::string& path) {
  std::vector<HostedAgent> agents;
  std::ifstream file(path);
  std::string id;
  std::string secret;
  while (file >> id >> secret) {
    const auto from = asio::ip::address_v4(kFirstAddress + static_cast<std::uint32_t>(agents.size()));
    agents.push_back({AgentId::parse(id).value(), base64url_decode(secret).value(), from});
  }
  return agents;
}

class Console {
 public:
  explicit Console(Herd& herd) : herd_(herd), input_(herd.loop, STDIN_FILENO) {}
  void read() {
    asio::async_read_until(input_, asio::dynamic_buffer(line_), '\n',
                           [this](const boost::system::error_code& error, std::size_t size) {
                             if (error) return herd_.loop.stop();
                             line_.erase(0, size);
                             std::cout << "connected " << herd_.connected << " sessions " << herd_.sessions
                                       << " answered " << herd_.answered << std::endl;
                             read();
                           });
  }

 private:
  Herd& herd_;
  asio::posix::stream_descriptor input_;
  std::string line_;
};

int run(const std::string& agents, const std::string& join_file) {
  open_many_files();
  std::string text;
  std::ifstream(join_file) >> text;
  const auto token = tunnel::parse_join_token(text).value();
  asio::io_context loop(1);
  Herd herd{loop, {asio::ip::make_address(token.host), token.port}, tunnel::TlsContext::client(token.pins)};
  for (HostedAgent& agent : read_agents(agents)) {
    spawn(loop.get_executor(), keep_session(herd, std::move(agent)), "herd.session");
  }
  Console console(herd);
  console.read();
  std::cout << "ready" << std::endl;
  loop.run();
  return 0;
}

}  // namespace
}  // namespace postern::test

int main(int argc, char** argv) {
  std::string agents;
  std::string join_file;
  CLI::App app{"Many agents in one process"};
  app.add_option("--agents", agents, "What test_add_agents printed")->required();
  app.add_option("--join-file", join_file, "A join token of the relay")->required();
  CLI11_PARSE(app, argc, argv);
  return postern::test::run(agents, join_file);
}
