#include "tests/support/fault_proxy/proxy.hpp"

#include <boost/asio/io_context.hpp>

#include <sstream>

namespace postern::test {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr int kBacklog = 4096;

std::chrono::microseconds milliseconds(double number) {
  return std::chrono::microseconds(static_cast<std::int64_t>(number * 1000));
}

}  // namespace

Proxy::Proxy(asio::io_context& loop, tcp::endpoint target)
    : loop_(loop), target_(std::move(target)), acceptor_(loop) {}

std::uint16_t Proxy::listen(const tcp::endpoint& at) {
  acceptor_.open(at.protocol());
  acceptor_.set_option(tcp::acceptor::reuse_address(true));
  acceptor_.bind(at);
  acceptor_.listen(kBacklog);
  at_ = acceptor_.local_endpoint();
  accept();
  return at_.port();
}

void Proxy::accept() {
  acceptor_.async_accept(loop_, [this](const boost::system::error_code& error, tcp::socket client) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      forget_links(false);
      links_.push_back(std::make_shared<Link>(std::move(client), weather_, engine_));
      links_.back()->start(target_);
    }
    accept();
  });
}

std::string Proxy::command(std::string_view line) {
  std::istringstream words{std::string(line)};
  std::string verb;
  words >> verb;
  if (verb == "count") {
    forget_links(false);
    return "ok " + std::to_string(links_.size());
  }
  if (!obey(verb, words)) return "error no such command: " + std::string(line);
  for (const auto& link : links_) link->weather_changed();
  return "ok";
}

bool Proxy::obey(const std::string& verb, std::istream& words) {
  if (verb == "clear") return clear(), true;
  if (verb == "reset") return forget_links(true), true;
  if (verb == "mute") return weather_.mute = true;
  if (verb == "refuse") return acceptor_.close(), true;
  double number = 0;
  if (verb == "bandwidth" && words >> number) {
    weather_.bandwidth = static_cast<std::uint64_t>(number);
    return true;
  }
  if (verb == "latency" && words >> number) {
    double jitter = 0;
    words >> jitter;
    weather_.latency = milliseconds(number);
    weather_.jitter = milliseconds(jitter);
    return true;
  }
  std::string how;
  words >> how;
  if (verb == "drip") return weather_.drip = how == "on", true;
  if (verb != "blackhole" || (how != "up" && how != "down" && how != "both")) return false;
  weather_.hole_up = how != "down";
  weather_.hole_down = how != "up";
  return true;
}

void Proxy::clear() {
  weather_ = {};
  if (!acceptor_.is_open()) listen(at_);
}

void Proxy::forget_links(bool all) {
  if (all) {
    for (const auto& link : links_) link->reset();
  }
  std::erase_if(links_, [](const auto& link) { return link->over(); });
}

}  // namespace postern::test
