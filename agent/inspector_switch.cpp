#include "agent/inspector_switch.hpp"

#include <stdio.h>
#include <unistd.h>

#include "base/log.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

constexpr Duration kRetry = std::chrono::seconds(1);

/// To a person. What is written elsewhere is kept, and the token is a secret.
void print_to_terminal(const std::string& url) {
  if (::isatty(STDOUT_FILENO) == 0) return;
  ::fputs(("inspector " + url + "\n").c_str(), stdout);
  ::fflush(stdout);
}

asio::awaitable<inspector::Answer> send_again(std::shared_ptr<Forwarder> forwarder, tunnel::DeliverHead head,
                                              std::shared_ptr<const std::string> body) {
  AppAnswer answer = co_await forwarder->resend(forwarder, std::move(head), std::move(body));
  co_return inspector::Answer{std::move(answer.head), std::move(answer.body)};
}

}  // namespace

InspectorSwitch::InspectorSwitch(Parts parts) : parts_(std::move(parts)), retry_(parts_.loop) {}

void InspectorSwitch::set(const std::optional<asio::ip::tcp::endpoint>& at) {
  if (at == wanted_) return;
  wanted_ = at;
  complained_ = false;
  turn_off();
  if (wanted_ && !resting_) try_start();
}

void InspectorSwitch::rest(bool resting) {
  if (std::exchange(resting_, resting) == resting) return;
  turn_off();
  if (wanted_ && !resting_) try_start();
}

void InspectorSwitch::turn_off() {
  retry_.cancel();
  // Those that were turned off before: what they had under way has ended since, or will have at the next
  // time.
  std::erase_if(leaving_, [](const auto& old) { return old->idle(); });
  if (!inspector_) return;
  inspector_->stop();
  leaving_.push_back(std::move(inspector_));
  parts_.forwarder->record_to(nullptr);
  parts_.board.status().inspector.clear();
  parts_.board.tick();
  log::info("agent.inspector_off");
}

void InspectorSwitch::try_start() {
  auto resend = [forwarder = parts_.forwarder](tunnel::DeliverHead head,
                                               std::shared_ptr<const std::string> body) {
    return send_again(forwarder, std::move(head), std::move(body));
  };
  auto started = Inspector::start({parts_.loop, parts_.clock, parts_.random, std::move(resend)}, *wanted_);
  if (!started) {
    if (!std::exchange(complained_, true)) {
      log::error("agent.inspector_failed", {{"error", started.error().message},
                                            {"hint", "It is tried again every second. Deliveries go on."}});
    }
    return try_again();
  }
  inspector_ = std::move(*started);
  parts_.forwarder->record_to(inspector_->recorder());
  parts_.board.status().inspector = inspector_->url();
  parts_.board.tick();
  log::info("agent.inspector", {{"address", inspector_->address()},
                                {"hint", "postern-agent status shows its URL, with the token."}});
  print_to_terminal(inspector_->url());
}

void InspectorSwitch::try_again() {
  retry_.expires_after(kRetry);
  retry_.async_wait([this](const auto& ec) {
    if (!ec && wanted_ && !resting_ && !inspector_) try_start();
  });
}

}  // namespace postern::agent
