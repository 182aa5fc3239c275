// Both ends of a handshake that know the secret, and between them somebody who turns their frames about:
// flips bits, cuts, adds, sends again, swaps, moves flags. An end is done only when it got each payload as
// the other sent it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/random.hpp"
#include "tunnel-proto/handshake.hpp"

namespace postern::tunnel {
namespace {

const Uuid kId = {1, 2, 3};

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

/// Whoever sits between. `honest` for as long as every payload has gone through as it was.
class Between {
 public:
  explicit Between(Input& in) : in_(in) {}

  std::string pass(std::string frame) {
    const std::string before = frame;
    const int moves = in_.byte() % 4;
    touched_ = touched_ || moves > 0;
    for (int i = 0; i < moves && !frame.empty(); ++i) touch(frame);
    // Type and flags are not part of the transcript, nor is how PROOF and AUTH_OK wrap what they say; what
    // follows a frame is for whoever reads on.
    const bool counts = !before.empty() && (before[0] == 1 || before[0] == 2);
    honest_ =
        honest_ &&
        (!counts || (frame.size() >= before.size() && frame.compare(2, before.size() - 2, before, 2) == 0));
    last_ = before;
    return frame;
  }
  bool honest() const { return honest_; }
  bool touched() const { return touched_; }

 private:
  void touch(std::string& frame) {
    const std::size_t at = in_.byte() * 256U + in_.byte();
    switch (in_.byte() % 8) {
      case 0:
        frame[at % frame.size()] = static_cast<char>(in_.byte());
        return;
      case 1:
        frame[at % frame.size()] ^= static_cast<char>(1U << in_.byte() % 8U);
        return;
      case 2:
        return frame.resize(at % frame.size());
      case 3:  // a payload of another length, whose header says so
        return relength(frame, at % 64, true);
      case 4:
        return relength(frame, at % 64, false);
      case 5:
        frame += frame;
        return;
      case 6:
        frame = last_.empty() ? frame : last_;
        return;
      default:
        frame[1] = static_cast<char>(in_.byte());  // flags are not part of the transcript
    }
  }
  void relength(std::string& frame, std::size_t by, bool longer) {
    if (frame.size() <= kHeaderSize) return;
    std::string payload = frame.substr(kHeaderSize);
    if (longer) {
      for (std::size_t i = 0; i < by; ++i) payload.push_back(static_cast<char>(in_.byte()));
    } else {
      payload.resize(payload.size() - std::min(payload.size(), by));
    }
    frame = make_frame(static_cast<FrameType>(frame[0]), 0, payload);
  }

  Input& in_;
  bool honest_ = true;
  bool touched_ = false;
  std::string last_;
};

class Pair {
 public:
  explicit Pair(Input& in)
      : in_(in),
        to_relay_(in),
        to_agent_(in),
        binding_(in.byte() % 16 != 0),
        known_(in.byte() % 16 != 0),
        agent_(
            hello(in), std::string(32, 's'), [](std::string_view) { return std::string(32, 'b'); }, random_),
        relay_(
            {"relay", std::string(32, 'd')},
            [this](std::string_view) { return std::string(32, binding_ ? 'b' : 'm'); }, random_) {}

  void run() {
    std::string for_relay = to_relay_.pass(agent_.start());
    for (int turn = 0; turn < 8 && !for_relay.empty(); ++turn) {
      const std::string for_agent = to_agent_.pass(relay_takes(for_relay));
      for_relay = to_relay_.pass(agent_takes(for_agent));
    }
    const bool clean = to_relay_.honest() && to_agent_.honest() && binding_ && known_;
    if (clean && !to_relay_.touched() && !to_agent_.touched() && !agent_done_) std::abort();
    if ((relay_done_ || agent_done_) && !clean) std::abort();
    if (agent_done_ && !(relay_done_ && same(agent_.admission(), relay_.admission()))) std::abort();
  }

 private:
  static bool same(const Admission& a, const Admission& b) {
    return a.agent_id == b.agent_id && a.session_id == b.session_id && a.generation == b.generation &&
           a.stream_window == b.stream_window && a.session_window == b.session_window;
  }
  static Hello hello(Input& in) {
    Hello hello;
    hello.kind = in.byte() % 2 == 0 ? Identity::agent : Identity::join;
    hello.id = kId;
    hello.software = std::string(in.byte() % 64U, 'v');
    hello.generation = in.byte();
    return hello;
  }

  std::string relay_takes(const std::string& bytes) {
    std::string_view rest = bytes;
    while (!relay_done_ && !failed_ && !rest.empty()) {
      std::size_t used = 0;
      auto step = relay_.receive(rest.substr(0, 1U + in_.byte()), &used);
      if (used > rest.size()) std::abort();
      rest.remove_prefix(used);
      if (step && *step == RelayHandshake::Step::look_up) step = relay_.found(account());
      relay_step(step);
    }
    return relay_.take_output();
  }
  void relay_step(const Result<RelayHandshake::Step>& step) {
    failed_ = !step;
    relay_done_ = step && *step == RelayHandshake::Step::done;
  }
  std::string agent_takes(const std::string& bytes) {
    std::string_view rest = bytes;
    while (!agent_done_ && !agent_failed_ && !rest.empty()) {
      std::size_t used = 0;
      const auto step = agent_.receive(rest, &used);
      if (used > rest.size()) std::abort();
      rest.remove_prefix(used);
      agent_failed_ = !step;
      agent_done_ = step && *step == AgentHandshake::Step::done;
      if (step && used == 0) break;
    }
    return agent_.take_output();
  }
  std::optional<Account> account() {
    if (!known_) return std::nullopt;
    AgentId agent_id;
    agent_id.uuid = kId;
    return Account{derive_verifiers(relay_.hello().kind, kId, std::string(32, 's')), agent_id, 1, {}};
  }

  Input& in_;
  Between to_relay_;
  Between to_agent_;
  const bool binding_;  // one TLS connection; false: two, with somebody between
  const bool known_;
  SeededRandom random_{1};
  AgentHandshake agent_;
  RelayHandshake relay_;
  bool relay_done_ = false, agent_done_ = false, failed_ = false, agent_failed_ = false;
};

}  // namespace
}  // namespace postern::tunnel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::tunnel::Input in(data, size);
  postern::tunnel::Pair(in).run();
  return 0;
}
