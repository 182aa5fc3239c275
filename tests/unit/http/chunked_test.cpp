#include "base/http/chunked.hpp"

#include <gtest/gtest.h>

namespace postern::http {
namespace {

TEST(Chunked, RefusesAsSoonAsASizePassesTheLimit) {
  ChunkedDecoder decoder(10);
  std::string body;
  decoder.feed("8\r\n12345678\r\n3\r\n", body);
  EXPECT_EQ(decoder.progress(), Progress::refused);
  EXPECT_EQ(decoder.verdict(), (Verdict{413, "body_too_large"}));
  EXPECT_EQ(body, "12345678");
}

TEST(Chunked, ReachesTheLimitExactly) {
  ChunkedDecoder decoder(10);
  std::string body;
  const std::string_view bytes = "A\r\n0123456789\r\n0\r\n\r\nGET";
  EXPECT_EQ(decoder.feed(bytes, body), bytes.size() - 3);
  EXPECT_EQ(decoder.progress(), Progress::done);
  EXPECT_EQ(body, "0123456789");
}

TEST(Chunked, EmptyBodyUnderAZeroLimit) {
  ChunkedDecoder decoder(0);
  std::string body;
  decoder.feed("0\r\n\r\n", body);
  EXPECT_EQ(decoder.progress(), Progress::done);
}

TEST(Chunked, LargestSizeDoesNotOverflow) {
  ChunkedDecoder decoder(UINT64_MAX);
  std::string body;
  decoder.feed("ffffffff\r\nabc", body);
  EXPECT_EQ(decoder.progress(), Progress::more);
  EXPECT_EQ(body, "abc");
}

TEST(Chunked, ExtensionsCountAnewForEachChunk) {
  const std::string extension(ChunkedDecoder::kExtensionBytes - 1, 'x');  // and the CR after it
  ChunkedDecoder decoder(10);
  std::string body;
  decoder.feed("1;" + extension + "\r\na\r\n1;" + extension + "\r\nb\r\n0\r\n\r\n", body);
  EXPECT_EQ(decoder.progress(), Progress::done) << decoder.verdict().reason;
  EXPECT_EQ(body, "ab");

  ChunkedDecoder tight(10);
  tight.feed("1;" + extension + "y\r\na\r\n", body);
  EXPECT_EQ(tight.verdict().reason, "chunk_extension_too_long");
}

}  // namespace
}  // namespace postern::http
