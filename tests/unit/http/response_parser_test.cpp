#include "base/http/response_parser.hpp"

#include <gtest/gtest.h>

namespace postern::http {
namespace {

/// One line about what the bytes came to; the same for every way of splitting them, or a complaint.
std::string read(std::string_view bytes, bool ends = false, bool to_head = false) {
  const auto describe = [&](std::size_t piece) {
    ResponseParser parser(to_head, 1000, 20);
    for (std::size_t at = 0; at < bytes.size(); at += piece) parser.feed(bytes.substr(at, piece));
    if (ends) parser.end();
    if (parser.progress() == Progress::more) return std::string("more");
    if (parser.progress() == Progress::refused) return std::string(parser.reason());
    return fmt::format("{} {} '{}'{}{}", parser.status, parser.headers.size(), parser.body,
                       parser.truncated ? " truncated" : "", parser.reusable() ? " reusable" : "");
  };
  const std::string whole = describe(std::max<std::size_t>(bytes.size(), 1));
  for (const std::size_t piece : {1, 2, 3, 7}) EXPECT_EQ(describe(piece), whole) << piece;
  return whole;
}

TEST(ResponseParser, Framings) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "200 1 'hello' reusable");
  EXPECT_EQ(read("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), "200 1 '' reusable");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n"),
            "200 1 'hello' reusable");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\nhello", true), "200 0 'hello'");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\nhello"), "more");
  EXPECT_EQ(read("HTTP/1.1 204 \r\n\r\n"), "204 0 '' reusable");
  EXPECT_EQ(read("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), "304 1 '' reusable");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, true), "200 1 '' reusable");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
            "200 2 'hello' reusable");
}

TEST(ResponseParser, ReusesOnlyWhatIsSurelyAtABoundary) {
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "200 1 'hello'");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n"), "200 2 ''");
  ResponseParser parser(false, 1000, 20);
  parser.feed("HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK");
  EXPECT_FALSE(parser.reusable());
}

TEST(ResponseParser, KeepsABoundedPart) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789"),
            "200 1 '01234567890123456789' reusable");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n01234567890123456789X"),
            "200 1 '01234567890123456789' truncated");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\n01234567890123456789X"), "200 0 '01234567890123456789' truncated");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n01234567890123456789XY"),
            "200 1 '01234567890123456789' truncated");
}

TEST(ResponseParser, ABodyThatBreaksLeavesTheStatus) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true), "200 1 'hello' truncated");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", true),
            "200 1 'hel' truncated");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense"), "200 1 '' truncated");
}

TEST(ResponseParser, SkipsInterimAnswers) {
  EXPECT_EQ(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
            "204 0 '' reusable");
  std::string many;
  for (int i = 0; i < 9; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(read(many), "malformed_response");
  EXPECT_EQ(read("HTTP/1.1 101 Switching\r\n\r\n"), "malformed_response");
}

TEST(ResponseParser, RefusesBadHeads) {
  for (const std::string_view bytes :
       {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200 OK\r\n", "HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "HTTP/1.1 200 OK\r\nX: y\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "\x15\x03\x01"}) {
    EXPECT_EQ(read(bytes), "malformed_response") << bytes;
  }
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nX: " + std::string(1000, 'x')), "headers_too_large");
  EXPECT_EQ(read("HTTP/1.1 200 " + std::string(1000, 'x')), "headers_too_large");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nX: y\r\n", true), "malformed_response");
}

}  // namespace
}  // namespace postern::http
