#include "raw_end.hpp"

#include <poll.h>
#include <unistd.h>

#include <fstream>

#include "tunnel-proto/messages.hpp"

namespace postern::relay {

namespace asio = boost::asio;
using asio::ip::tcp;
using tunnel::TlsSocket;
using Clock = std::chrono::steady_clock;

namespace {

bool wait_for(int fd, bool writable, Clock::time_point until) {
  pollfd look{fd, static_cast<short>(writable ? POLLOUT : POLLIN), 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return ::poll(&look, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) > 0;
}

}  // namespace

RawEnd::RawEnd(tcp::socket socket, const tunnel::TlsContext& context) : tls_(std::move(socket), context) {}

bool RawEnd::wait(bool writable, Clock::time_point until) {
  return wait_for(tls_.socket().native_handle(), writable, until);
}

bool RawEnd::secure() {
  const auto until = Clock::now() + kPatience;
  while (true) {
    const auto io = tls_.handshake();
    if (io == TlsSocket::Io::ok) return true;
    if (io != TlsSocket::Io::want_read && io != TlsSocket::Io::want_write) return false;
    if (!wait(io == TlsSocket::Io::want_write, until)) return false;
  }
}

bool RawEnd::say(std::string_view bytes, Patience patience) {
  const auto until = Clock::now() + patience;
  while (!bytes.empty()) {
    std::size_t put = 0;
    const auto io = tls_.write(bytes.substr(0, 16'384), put);
    if (io == TlsSocket::Io::ok) {
      bytes.remove_prefix(put);
    } else if (io != TlsSocket::Io::want_write || !wait(true, until)) {
      return false;
    }
  }
  return true;
}

std::string RawEnd::read_some(Patience patience) {
  const auto until = Clock::now() + patience;
  std::string bytes(16'384, '\0');
  while (!over_) {
    std::size_t got = 0;
    const auto io = tls_.read(bytes.data(), bytes.size(), got);
    if (io == TlsSocket::Io::ok) return bytes.substr(0, got);
    if (io != TlsSocket::Io::want_read) {
      over_ = true;
    } else if (!wait(false, until)) {
      break;
    }
  }
  return {};
}

std::optional<RawEnd::Said> RawEnd::cut_frame() {
  if (unread_.size() < tunnel::kHeaderSize) return std::nullopt;
  const auto header = tunnel::parse_header(unread_, tunnel::kMaxMessage);
  if (!header) throw std::runtime_error("the honest end has sent a frame that is none");
  if (unread_.size() < tunnel::kHeaderSize + header->length) return std::nullopt;
  Said said{*header, unread_.substr(tunnel::kHeaderSize, header->length)};
  unread_.erase(0, tunnel::kHeaderSize + header->length);
  return said;
}

std::optional<RawEnd::Said> RawEnd::hear(Patience patience) {
  const auto until = Clock::now() + patience;
  while (true) {
    if (auto said = cut_frame()) return said;
    const std::string more = read_some(std::chrono::ceil<Patience>(until - Clock::now()));
    if (more.empty()) return std::nullopt;
    unread_ += more;
  }
}

std::optional<RawEnd::Said> RawEnd::hear(tunnel::FrameType type) {
  auto said = hear();
  while (said && said->header.type != type) said = hear();
  return said;
}

std::string RawEnd::end(Patience patience) {
  const auto until = Clock::now() + patience;
  std::string code;
  while (const auto said = hear(std::chrono::ceil<Patience>(until - Clock::now()))) {
    if (said->header.type != tunnel::FrameType::goaway) continue;
    const auto goaway = tunnel::decode_goaway(said->payload);
    code = goaway ? goaway->code : "no GOAWAY";
  }
  return over_ ? code : "stays";
}

std::unique_ptr<RawAgent> RawAgent::log_in(asio::io_context& io, const Login& login) {
  tcp::socket socket(io);
  socket.connect(login.relay);
  auto agent = std::make_unique<RawAgent>(std::move(socket), tunnel::TlsContext::client({login.pin}));
  return agent->prove(login) ? std::move(agent) : nullptr;
}

bool RawAgent::prove(const Login& login) {
  using Step = tunnel::AgentHandshake::Step;
  if (!secure()) return false;
  SystemRandom random;
  tunnel::Hello hello;
  hello.id = login.id.uuid;
  random.fill(reinterpret_cast<char*>(hello.instance_id.data()), hello.instance_id.size());
  hello.capabilities = login.capabilities;
  hello.software = "liar/1";
  tunnel::AgentHandshake handshake(
      hello, login.secret, [this](std::string_view context) { return exporter(context); }, random);
  if (!say(handshake.start())) return false;
  while (true) {
    if (unread_.empty()) unread_ = read_some(kPatience);
    if (unread_.empty()) return false;
    std::size_t used = 0;
    const auto step = handshake.receive(unread_, &used);
    unread_.erase(0, used);
    if (!step) return false;
    if (*step == Step::done) return true;
    if (*step == Step::send && !say(handshake.take_output())) return false;
  }
}

RawRelay::RawRelay(const tunnel::TlsIdentity& identity, std::vector<std::string> pins)
    : context_(tunnel::TlsContext::server(identity).value()),
      pins_(std::move(pins)),
      acceptor_(io_, {asio::ip::address_v4::loopback(), 0}) {}

std::unique_ptr<RawRelay::Session> RawRelay::admit(const AgentId& agent, const std::string& secret,
                                                   RawEnd::Patience patience) {
  if (!wait_for(acceptor_.native_handle(), false, Clock::now() + patience)) return nullptr;
  auto session = std::make_unique<Session>(acceptor_.accept(), context_);
  return session->admit(agent, secret, pins_) ? std::move(session) : nullptr;
}

bool RawRelay::Session::admit(const AgentId& agent, const std::string& secret,
                              const std::vector<std::string>& pins) {
  using Step = tunnel::RelayHandshake::Step;
  if (!secure()) return false;
  SystemRandom random;
  tunnel::RelayHandshake::Settings settings{
      .relay_id = "liar", .decoy_key = std::string(32, 'd'), .relay_pins = pins};
  tunnel::RelayHandshake handshake(
      settings, [this](std::string_view context) { return exporter(context); }, random);
  const auto verifiers = tunnel::derive_verifiers(tunnel::Identity::agent, agent.uuid, secret);
  while (true) {
    if (unread_.empty()) unread_ = read_some(kPatience);
    if (unread_.empty()) return false;
    std::size_t used = 0;
    auto step = handshake.receive(unread_, &used);
    unread_.erase(0, used);
    if (step && *step == Step::look_up)
      step = handshake.found(tunnel::Account{verifiers, agent, handshake.hello().generation + 1, {}});
    if (!step) return false;
    const std::string output = handshake.take_output();
    if (!output.empty() && !say(output)) return false;
    if (*step == Step::done) return true;
  }
}

std::string times(int count, const std::string& frame) {
  std::string out;
  for (int i = 0; i < count; ++i) out += frame;
  return out;
}

std::size_t resident_bytes() {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return 0;
#endif
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace postern::relay
