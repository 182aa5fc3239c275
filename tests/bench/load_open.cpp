// Senders who do not wait for a relay that is slow, on one thread that must cost as little as it can: the
// generator shares a small machine with what it measures. One epoll, and next to nothing made while it runs.
//
// Each connection has one request under way, as those of HTTP clients have. A request that is due takes one
// that is free, the one used last; if all wait, another is opened, up to so many. Beyond that a request waits
// for 100 ms and is given up as missed. What was refused is sent again, as it is, at the next time one is
// due.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <stdexcept>

#include "tests/bench/load_request.hpp"
#include "tests/bench/open_pace.hpp"

namespace postern::bench {
namespace {

constexpr std::int64_t kSecond = OpenPace::kSecond;
constexpr std::int64_t kLastAnswers = 5 * kSecond;
constexpr unsigned kSendsATurn = 64;
constexpr int kTickMs = 1;

std::int64_t now_ns() {
  return Steady::now().time_since_epoch().count();
}

struct Sender {
  enum class State : std::uint8_t { closed, connecting, idle, waiting };
  int fd = -1;
  State state = State::closed;
  std::uint32_t request = 0;
  std::int64_t due = 0;
  std::string answer;  ///< of one that came in parts
};

sockaddr_in address_of(const Options& options) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1)
    throw std::runtime_error("no address");
  return address;
}

class OpenLoad {
 public:
  explicit OpenLoad(const Options& options)
      : options_(options),
        address_(address_of(options)),
        epoll_(epoll_create1(0)),
        requests_(options,
                  static_cast<std::uint32_t>(options.rate * options.seconds) + 1),  // if all are accepted
        senders_(options.connections) {
    for (Sender& sender : senders_) closed_.push_back(&sender);
  }
  ~OpenLoad() {
    for (const Sender& sender : senders_) {
      if (sender.fd >= 0) ::close(sender.fd);
    }
    ::close(epoll_);
  }
  OpenLoad(const OpenLoad&) = delete;
  OpenLoad& operator=(const OpenLoad&) = delete;

  Totals run() {
    const auto began = last_answer_ = now_ns();
    const auto end = began + static_cast<std::int64_t>(options_.seconds * kSecond);
    OpenPace pace(options_.rate, began);
    for (auto now = began; now < end; now = now_ns()) {
      pace.give_up_late(now, totals_);
      receive(send_due(pace, now) ? 0 : kTickMs);
    }
    pace.finish(end, totals_);
    while (waiting_ > 0 && now_ns() < end + kLastAnswers) receive(kTickMs);
    totals_.unanswered = waiting_;
    totals_.seconds = static_cast<double>(last_answer_ - began) / kSecond;
    return std::move(totals_);
  }

 private:
  using State = Sender::State;

  /// The sender's request is sent when the connection is there.
  void connect(Sender& sender) {
    sender.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (sender.fd < 0) throw std::runtime_error("no socket: too few descriptors");
    const int yes = 1;
    setsockopt(sender.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    epoll_event wanted{EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = &sender}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, sender.fd, &wanted);
    sender.state = State::connecting;
    ++totals_.connects;
    const auto* peer = reinterpret_cast<const sockaddr*>(&address_);
    if (::connect(sender.fd, peer, sizeof address_) < 0 && errno != EINPROGRESS) lose(sender);
  }

  void lose(Sender& sender) {
    ::close(std::exchange(sender.fd, -1));
    if (sender.state == State::idle) std::erase(idle_, &sender);
    if (sender.state != State::idle) {
      --waiting_;
      ++totals_.turned_away;
      again_.push_back(sender.request);
    }
    sender.answer.clear();
    sender.state = State::closed;
    closed_.push_back(&sender);
  }

  /// True when more is due than was sent, and could be.
  bool send_due(OpenPace& pace, std::int64_t now) {
    for (unsigned n = 0; n < kSendsATurn && pace.is_due(now); ++n) {
      if (idle_.empty() && closed_.empty()) {
        pace.all_wait(now);
        return false;
      }
      send_one(pace.take());
    }
    return pace.is_due(now);
  }

  void send_one(std::int64_t due) {
    auto& from = idle_.empty() ? closed_ : idle_;
    Sender& sender = *from.back();
    from.pop_back();
    sender.due = due;
    sender.request = next_request();
    ++waiting_;
    ++totals_.sent;
    sender.state == State::closed ? connect(sender) : send(sender);
  }

  void send(Sender& sender) {
    sender.state = State::waiting;
    const auto request = requests_.request(sender.request);
    const auto put = ::send(sender.fd, request.data(), request.size(), MSG_NOSIGNAL);
    if (put != static_cast<ssize_t>(request.size())) lose(sender);
  }

  std::uint32_t next_request() {
    if (again_.empty()) return fresh_++;
    const auto number = again_.front();
    again_.pop_front();
    return number;
  }

  void receive(int wait_ms) {
    const int ready = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), wait_ms);
    for (int i = 0; i < ready; ++i) {
      Sender& sender = *static_cast<Sender*>(events_[static_cast<std::size_t>(i)].data.ptr);
      if (sender.state == State::connecting)
        connected(sender);
      else if (sender.state != State::closed)
        read(sender);
    }
  }

  void connected(Sender& sender) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(sender.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    error == 0 ? send(sender) : lose(sender);
  }

  void read(Sender& sender) {
    const auto got = ::recv(sender.fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return lose(sender);
    std::string_view answer(buffer_.data(), static_cast<std::size_t>(got));
    if (!sender.answer.empty()) answer = sender.answer.append(answer);
    if (answer_length(answer) > 0) return answered(sender, answer);
    if (sender.answer.empty()) sender.answer = answer;
  }

  void answered(Sender& sender, std::string_view answer) {
    if (sender.state != State::waiting) return lose(sender);
    last_answer_ = now_ns();
    const bool accepted = totals_.count(answer);
    (accepted ? totals_.accepted_after : totals_.refused_after).add(last_answer_ - sender.due);
    if (!accepted) again_.push_back(sender.request);
    sender.answer.clear();
    sender.state = State::idle;
    --waiting_;
    idle_.push_back(&sender);
  }

  const Options& options_;
  const sockaddr_in address_;
  const int epoll_;
  SignedRequests requests_;
  std::vector<Sender> senders_;
  std::vector<Sender*> idle_, closed_;
  std::deque<std::uint32_t> again_;
  std::uint32_t fresh_ = 0;
  std::uint64_t waiting_ = 0;
  std::int64_t last_answer_ = 0;
  std::array<epoll_event, 256> events_{};
  std::array<char, 4096> buffer_{};
  Totals totals_;
};

}  // namespace

Totals run_open(const Options& options) {
  return OpenLoad(options).run();
}

}  // namespace postern::bench
