#include "tunnel-proto/frame.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace postern::tunnel {
namespace {

struct Seen {
  FrameHeader header;
  std::string payload;
};

/// Reads `wire` in steps of `step` bytes; pieces are put together again.
Result<std::vector<Seen>> read_all(std::string_view wire, std::size_t step,
                                   std::size_t max_message = kMaxMessage) {
  FrameReader reader(max_message);
  std::vector<Seen> frames;
  for (std::size_t at = 0; at < wire.size(); at += step) {
    const std::string copy(wire.substr(at, step));  // so that a view kept too long shows under ASan
    std::string_view bytes = copy;
    while (true) {
      const auto item = reader.next(bytes);
      if (!item) return std::unexpected(item.error());
      if (item->what == FrameReader::What::need_more) break;
      if (item->what == FrameReader::What::piece) {
        frames.back().payload += item->bytes;
      } else {
        frames.push_back({item->header, std::string(item->bytes)});
      }
    }
    EXPECT_TRUE(bytes.empty());
  }
  EXPECT_TRUE(reader.between_frames());
  return frames;
}

std::string raw_header(int type, int flags, std::uint32_t stream, std::uint32_t length, int reserved = 0) {
  std::string out;
  append_header(out, {FrameType(type), static_cast<std::uint8_t>(flags), stream, length});
  out[3] = static_cast<char>(reserved);
  return out;
}

TEST(Frame, HasTheHeaderOfTheSpec) {
  EXPECT_EQ(make_frame(FrameType::data, 0x01020304, "hi", kFlagEnd),
            std::string("\x22\x01\x00\x00\x01\x02\x03\x04\x00\x00\x00\x02hi", 14));
}

TEST(Frame, IsReadInStepsOfAnySize) {
  std::string wire = make_frame(FrameType::ping, 0, "12345678");
  wire += make_frame(FrameType::data, 1, std::string(kMaxData, 'x'), kFlagEnd);
  wire += make_frame(FrameType::data, 3, "");
  wire += make_frame(FrameType::deliver, 5, "");
  wire += make_frame(FrameType::result, 5, std::string(kMaxMessage, 'y'));
  wire += make_frame(FrameType{200}, 0, "skipped");
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{11},
                                 std::size_t{12}, std::size_t{13}, std::size_t{4096}, wire.size()}) {
    const auto frames = read_all(wire, step);
    ASSERT_TRUE(frames) << step;
    ASSERT_EQ(frames->size(), 6U) << step;
    EXPECT_EQ(frames->at(0).payload, "12345678");
    EXPECT_EQ(frames->at(1).payload, std::string(kMaxData, 'x'));
    EXPECT_TRUE(frames->at(1).header.end());
    EXPECT_EQ(frames->at(2).header.stream, 3U);
    EXPECT_EQ(frames->at(3).header.type, FrameType::deliver);
    EXPECT_EQ(frames->at(4).payload.size(), kMaxMessage);
    EXPECT_EQ(frames->at(5).payload, "skipped");
  }
}

TEST(Frame, RefusesWhatIsOverTheBound) {
  EXPECT_TRUE(parse_header(raw_header(34, 0, 1, kMaxData), kMaxMessage));
  EXPECT_FALSE(parse_header(raw_header(34, 0, 1, kMaxData + 1), kMaxMessage));
  EXPECT_TRUE(parse_header(raw_header(32, 0, 1, kMaxMessage), kMaxMessage));
  EXPECT_FALSE(parse_header(raw_header(32, 0, 1, kMaxMessage + 1), kMaxMessage));
  EXPECT_TRUE(parse_header(raw_header(1, 0, 0, kMaxUnproven), kMaxUnproven));
  EXPECT_FALSE(parse_header(raw_header(1, 0, 0, kMaxUnproven + 1), kMaxUnproven));
  EXPECT_FALSE(parse_header(raw_header(200, 0, 0, 0xffffffff), kMaxMessage));
}

TEST(Frame, RefusesReservedBits) {
  EXPECT_FALSE(parse_header(raw_header(34, 0, 1, 0, 1), kMaxMessage));
  EXPECT_FALSE(parse_header(raw_header(34, 0x02, 1, 0), kMaxMessage));
  EXPECT_FALSE(parse_header(raw_header(34, 0x40, 1, 0), kMaxMessage));
  EXPECT_FALSE(parse_header(raw_header(34, 0, 0x8000'0000, 0), kMaxMessage));
  EXPECT_TRUE(parse_header(raw_header(34, 0, 0x7fff'ffff, 0), kMaxMessage));
}

TEST(Frame, OnlyACriticalUnknownTypeIsAnError) {
  EXPECT_TRUE(parse_header(raw_header(200, 0, 0, 5), kMaxMessage));
  EXPECT_FALSE(parse_header(raw_header(200, kFlagCritical, 0, 5), kMaxMessage));
  EXPECT_FALSE(parse_header(raw_header(23, kFlagCritical, 0, 5), kMaxMessage)) << "reserved is unknown";
  EXPECT_TRUE(parse_header(raw_header(16, kFlagCritical, 0, 8), kMaxMessage));
}

TEST(Frame, AnErrorComesBeforeAnyPayloadIsKept) {
  const auto frames = read_all(raw_header(32, 0, 1, 0x7fffffff), 1);
  ASSERT_FALSE(frames);
  EXPECT_EQ(frames.error().code, "protocol");
}

}  // namespace
}  // namespace postern::tunnel
