#include "tunnel-proto/frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tunnel-proto/big_endian.hpp"

namespace postern::tunnel {
namespace {

/// Bodies, and what nobody here understands, are never gathered.
bool in_pieces(FrameType type) {
  return type == FrameType::data || !is_known(type);
}

std::size_t bound(FrameType type, std::size_t max_message) {
  return type == FrameType::data ? kMaxData : max_message;
}

}  // namespace

bool is_known(FrameType type) {
  const auto number = static_cast<std::uint8_t>(type);
  return (number >= 1 && number <= 10) || (number >= 16 && number <= 22) || type == FrameType::health ||
         (number >= 32 && number <= 34);
}

void append_header(std::string& out, const FrameHeader& header) {
  out.push_back(static_cast<char>(header.type));
  out.push_back(static_cast<char>(header.flags));
  out.append(2, '\0');
  append_u32(out, header.stream);
  append_u32(out, header.length);
}

Result<FrameHeader> parse_header(std::string_view bytes, std::size_t max_message) {
  FrameHeader header;
  header.type = static_cast<FrameType>(static_cast<std::uint8_t>(bytes[0]));
  header.flags = static_cast<std::uint8_t>(bytes[1]);
  header.stream = read_u32(bytes.substr(4));
  header.length = read_u32(bytes.substr(8));
  if ((header.flags & ~kFlagsKnown) != 0 || bytes[2] != 0 || bytes[3] != 0) {
    return fail("protocol", "a frame has reserved bits set");
  }
  if (header.stream > kMaxStream) return fail("protocol", "a frame's stream number is out of range");
  if (header.length > bound(header.type, max_message)) {
    return fail("protocol", fmt::format("a frame of type {} has {} bytes, {} are allowed", int(header.type),
                                        header.length, bound(header.type, max_message)));
  }
  if (header.critical() && !is_known(header.type)) {
    return fail("protocol", fmt::format("frame type {} is not known here, and its sender insists on it",
                                        int(header.type)));
  }
  return header;
}

void append_frame(std::string& out, FrameType type, std::uint32_t stream, std::string_view payload,
                  std::uint8_t flags) {
  append_header(out, {type, flags, stream, static_cast<std::uint32_t>(payload.size())});
  out.append(payload);
}

std::string make_frame(FrameType type, std::uint32_t stream, std::string_view payload, std::uint8_t flags) {
  std::string out;
  out.reserve(kHeaderSize + payload.size());
  append_frame(out, type, stream, payload, flags);
  return out;
}

Result<FrameReader::Item> FrameReader::next(std::string_view& bytes) {
  if (std::exchange(done_with_buffer_, false)) std::string().swap(buffer_);
  if (!in_payload_) return next_header(bytes);
  return in_pieces_ ? next_piece(bytes) : next_whole(bytes);
}

Result<FrameReader::Item> FrameReader::next_header(std::string_view& bytes) {
  std::string_view raw = bytes;
  if (buffer_.empty() && bytes.size() >= kHeaderSize) {
    bytes.remove_prefix(kHeaderSize);
  } else {
    const std::size_t take = std::min(bytes.size(), kHeaderSize - buffer_.size());
    buffer_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (buffer_.size() < kHeaderSize) return Item{};
    raw = buffer_;
  }
  const auto header = parse_header(raw, max_message_);
  if (!header) return std::unexpected(header.error());
  header_ = *header;
  buffer_.clear();
  left_ = header_.length;
  in_pieces_ = in_pieces(header_.type);
  in_payload_ = !in_pieces_ || left_ > 0;
  if (!in_pieces_) return next_whole(bytes);
  return Item{What::header, header_, {}, left_ == 0};
}

FrameReader::Item FrameReader::next_piece(std::string_view& bytes) {
  if (bytes.empty()) return {};
  const std::string_view piece = bytes.substr(0, left_);
  bytes.remove_prefix(piece.size());
  left_ -= piece.size();
  in_payload_ = left_ > 0;
  return {What::piece, header_, piece, !in_payload_};
}

FrameReader::Item FrameReader::next_whole(std::string_view& bytes) {
  const std::string_view part = bytes.substr(0, left_);
  bytes.remove_prefix(part.size());
  left_ -= part.size();
  if (left_ == 0 && buffer_.empty()) {
    in_payload_ = false;
    return {What::frame, header_, part, true};
  }
  // The length is the peer's word: room is made as bytes arrive, not before.
  buffer_.append(part);
  if (left_ > 0) return {};
  in_payload_ = false;
  done_with_buffer_ = true;
  return {What::frame, header_, buffer_, true};
}

}  // namespace postern::tunnel
