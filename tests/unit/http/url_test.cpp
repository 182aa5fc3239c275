#include <gtest/gtest.h>

#include "base/http/client.hpp"
#include "base/http/request_head.hpp"

namespace postern::http {
namespace {

std::string shown(std::string_view text) {
  const auto url = parse_url(text);
  if (!url) return url.error().code;
  return fmt::format("{} {} {} {}", url->origin.tls ? "tls" : "plain", url->origin.host, url->origin.port,
                     url->target);
}

TEST(Url, Accepted) {
  EXPECT_EQ(shown("http://example.com"), "plain example.com 80 /");
  EXPECT_EQ(shown("HTTPS://Example.COM/A?b=C"), "tls example.com 443 /A?b=C");
  EXPECT_EQ(shown("https://example.com:8443?x"), "tls example.com 8443 /?x");
  EXPECT_EQ(shown("http://[::1]:8000/"), "plain ::1 8000 /");
  EXPECT_EQ(shown("http://127.0.0.1/a%20b"), "plain 127.0.0.1 80 /a%20b");
}

TEST(Url, Refused) {
  for (const std::string_view text :
       {"", "example.com", "http://", "http:///x", "http://a@b/", "http://a:b@c/", "http://a/#x",
        "http://a b/", "http://a/\r\nX: y", "http://a:0/", "http://a:65536/", "http://a:/", "http://a:1x/",
        "http://[::1/", "http://[::1%25lo]/", "http://a%2eb/", "http://a\\b/", "http://caf\xc3\xa9.example/",
        "http://a,b/"}) {
    EXPECT_EQ(shown(text), "invalid_url") << text;
  }
  EXPECT_EQ(shown("ftp://a/"), "unsupported_scheme");
  EXPECT_EQ(shown("file:///etc/passwd"), "unsupported_scheme");
}

TEST(Url, HostHeaderNamesThePortOnlyWhenUnusual) {
  EXPECT_EQ((Origin{false, "a", 80}.host_header()), "a");
  EXPECT_EQ((Origin{true, "a", 80}.host_header()), "a:80");
  EXPECT_EQ((Origin{true, "::1", 443}.host_header()), "[::1]");
}

std::string head_of(ClientRequest request) {
  const auto head = write_request_head({false, "a.example", 8080}, request);
  return head ? *head : head.error().code;
}

TEST(RequestHead, AddsHostAndLength) {
  const auto body = std::make_shared<const std::string>("12345");
  EXPECT_EQ(head_of({"POST", "/x", {{"X-a", "1"}}, body}),
            "POST /x HTTP/1.1\r\nHost: a.example:8080\r\nX-a: 1\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(head_of({"GET", "/", {}, nullptr}), "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n");
  EXPECT_EQ(head_of({"PUT", "/", {{"host", "b"}}, nullptr}),
            "PUT / HTTP/1.1\r\nhost: b\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(head_of({"POST", "/", {{"content-length", "5"}, {"Host", "b"}}, body}),
            "POST / HTTP/1.1\r\ncontent-length: 5\r\nHost: b\r\n\r\n");
}

TEST(RequestHead, RefusesWhatWouldBreakTheFraming) {
  const auto body = std::make_shared<const std::string>("12345");
  const std::vector<ClientRequest> bad = {
      {"GET /x HTTP/1.1\r\nX:", "/", {}, nullptr},
      {"", "/", {}, nullptr},
      {"GET", "x", {}, nullptr},
      {"GET", "", {}, nullptr},
      {"GET", "/ HTTP/1.1\r\nX: y", {}, nullptr},
      {"GET", "/#x", {}, nullptr},
      {"GET", "/", {{"X", "a\r\nY: b"}}, nullptr},
      {"GET", "/", {{"X", std::string("a\0b", 3)}}, nullptr},
      {"GET", "/", {{"X: y\r\nZ", "a"}}, nullptr},
      {"GET", "/", {{"", "a"}}, nullptr},
      {"GET", "/", {{"X ", "a"}}, nullptr},
      {"POST", "/", {{"Transfer-Encoding", "chunked"}}, body},
      {"POST", "/", {{"Content-Length", "6"}}, body},
      {"POST", "/", {{"Content-Length", "5"}, {"Content-Length", "5"}}, body},
      {"POST", "/", {{"Host", "a"}, {"Host", "a"}}, body},
  };
  for (std::size_t i = 0; i < bad.size(); ++i) EXPECT_EQ(head_of(bad[i]), "invalid_request") << i;
}

}  // namespace
}  // namespace postern::http
