// A hostile peer and a busy user at one session. The input is a list of moves; frames are built from it, so
// that most get past the codec, and some are raw bytes. Bounds must hold after every move.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel-proto/big_endian.hpp"
#include "tunnel-proto/session.hpp"

namespace postern::tunnel {
namespace {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::uint16_t word() { return static_cast<std::uint16_t>(byte() << 8 | byte()); }
  std::string bytes(std::size_t most) {
    std::string out;
    while (out.size() < most && left_ > 0) out.push_back(static_cast<char>(byte()));
    return out;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

class Fuzzed {
 public:
  explicit Fuzzed(Role role) : session_({role, limits(), 20'000, 60'000}, now_) {}

  void move(Input& in) {
    switch (in.byte() % 16) {
      case 0:
        return receive(make_frame(FrameType::deliver, next_stream_ += 2, in.bytes(8), in.byte() & 1));
      case 1:
        return receive(make_frame(FrameType::deliver, in.byte(), in.bytes(8), in.byte() & 1));
      case 2:
        return receive(make_frame(FrameType::result, in.byte(), in.bytes(8), in.byte() & 1));
      case 3:
        return receive(make_frame(FrameType::data, in.byte(), std::string(in.word() % (kMaxData + 1), 'x'),
                                  in.byte() & 1));
      case 4:
        return receive(number(FrameType::window, in.byte(), in));
      case 5:
        return receive(number(FrameType::credit, 0, in));
      case 6:
        return receive(make_frame(FrameType::reset, in.byte(), std::string("\0\0\0", 3) + char(in.byte())));
      case 7:
        return receive(number(in.byte() & 1 ? FrameType::ping : FrameType::pong, 0, in));
      case 8:
        return receive(make_frame(FrameType::goaway, 0, in.bytes(in.byte() % 32U)));
      case 9:
        return receive(in.bytes(in.byte() % 64U));
      case 10:
        (void)session_.open("head", std::make_shared<const std::string>(in.word(), 'b'));
        return;
      case 11:
        session_.answer(in.byte(), "head", std::make_shared<const std::string>(in.word(), 'b'));
        return;
      case 12:
        (void)session_.read(in.byte(), now_);
        return;
      case 13:
        (void)session_.reset(in.byte(), ResetCode::cancelled);
        return;
      case 14:
        return produce(in.word());
      default:
        return time(in);
    }
  }

  void check() {
    while (session_.next_event()) {
    }
    if (session_.buffered() > 8 * limits().stream_window + 10'000) std::abort();
    if (session_.open_streams() > 8) std::abort();
  }

 private:
  static SessionLimits limits() {
    SessionLimits limits;
    limits.max_deliveries = 8;
    limits.stream_window = 20'000;
    limits.session_window = 60'000;
    limits.window_growth = 10'000;
    return limits;
  }
  static std::string number(FrameType type, StreamId stream, Input& in) {
    std::string payload = in.bytes(8);
    payload.resize(8);
    return make_frame(type, stream, payload);
  }
  /// The peer's bytes arrive cut in two.
  void receive(const std::string& bytes) {
    const std::size_t cut = bytes.size() / 3;
    session_.receive(std::string_view(bytes).substr(0, cut), now_);
    session_.receive(std::string_view(bytes).substr(cut), now_);
  }
  void produce(std::size_t enough) {
    std::string out;
    session_.produce(out, enough);
    if (out.size() > enough + kMaxMessage + 64 * 1024) std::abort();
  }
  void time(Input& in) {
    now_ += std::chrono::milliseconds(in.word() / 8);
    const std::uint8_t what = in.byte();
    if (what % 8 == 0) session_.write_blocked(now_);
    if (what % 8 == 1) session_.write_progress();
    if (what % 64 == 2) session_.go_away({"shutdown", "", {}, {}});
    if (what % 8 == 3) session_.probe(now_, std::chrono::seconds(2));
    session_.tick(now_);
    if (!session_.ended() && session_.next_deadline() <= now_) std::abort();  // it would spin
  }

  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
  StreamId next_stream_ = static_cast<StreamId>(-1);
  Session session_;
};

}  // namespace
}  // namespace postern::tunnel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::tunnel::Input in(data, size);
  postern::tunnel::Fuzzed fuzzed(in.byte() & 1 ? postern::tunnel::Role::agent : postern::tunnel::Role::relay);
  while (!in.empty()) {
    fuzzed.move(in);
    fuzzed.check();
  }
  return 0;
}
