#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "tunnel-proto/wire.hpp"

/// The frame codec: 12 bytes of header, big endian, and a payload. No I/O, no meaning.
namespace postern::tunnel {

struct FrameHeader {
  FrameType type{};  ///< may be a number that FrameType does not name
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::uint32_t length = 0;

  bool end() const { return (flags & kFlagEnd) != 0; }
  bool critical() const { return (flags & kFlagCritical) != 0; }
};

void append_header(std::string& out, const FrameHeader& header);
/// `bytes` holds at least kHeaderSize. `protocol` when reserved bits are set, the stream is above kMaxStream,
/// or the length is over the type's bound (kMaxData for DATA, `max_message` for the rest).
Result<FrameHeader> parse_header(std::string_view bytes, std::size_t max_message);

bool is_known(FrameType type);

/// A whole frame, header first. `payload` must be within the bound.
std::string make_frame(FrameType type, std::uint32_t stream, std::string_view payload,
                       std::uint8_t flags = 0);
void append_frame(std::string& out, FrameType type, std::uint32_t stream, std::string_view payload,
                  std::uint8_t flags = 0);

/// A received frame; `payload` is good until the reader is fed again.
struct Frame {
  FrameHeader header;
  std::string_view payload;
};

/// Cuts a byte stream into frames. Two ways to take the payload of one frame:
/// - whole (control and heads): kept until complete, at most the type's bound;
/// - in pieces (DATA, and what is skipped): handed on as it arrives, so that a body is copied once.
/// Holds no memory between frames.
class FrameReader {
 public:
  explicit FrameReader(std::size_t max_message) : max_message_(max_message) {}

  enum class What { need_more, header, piece, frame };
  struct Item {
    What what = What::need_more;
    FrameHeader header;
    std::string_view bytes;  ///< piece: some payload; frame: all of it
    bool last = false;       ///< piece: the frame ends with it
  };

  /// Takes from the front of `bytes` and moves it on. For a DATA or unknown frame: one `header` (check it
  /// before taking anything), then `piece`s (none when the length is 0: then the header has `last`). For any
  /// other: one `frame`.
  Result<Item> next(std::string_view& bytes);

  bool between_frames() const { return !in_payload_ && buffer_.empty(); }

 private:
  Result<Item> next_header(std::string_view& bytes);
  Item next_piece(std::string_view& bytes);
  Item next_whole(std::string_view& bytes);

  std::size_t max_message_;
  bool in_payload_ = false;
  bool in_pieces_ = false;
  FrameHeader header_;
  std::size_t left_ = 0;  ///< payload bytes not yet seen
  std::string buffer_;    ///< a header or whole frame that is not complete yet
  bool done_with_buffer_ = false;
};

}  // namespace postern::tunnel
