#include "base/http/client_hello.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/http/hello.hpp"

namespace postern::http {
namespace {

using test::hello;

constexpr std::string_view kProtocol = "postern/1";

/// The same handshake bytes in records of at most `size`.
std::string in_records(const std::string& record, std::size_t size) {
  std::string out;
  for (std::size_t at = 5; at < record.size(); at += size) {
    const std::string piece = record.substr(at, size);
    out += record.substr(0, 3);
    out += static_cast<char>(piece.size() >> 8);
    out += static_cast<char>(piece.size());
    out += piece;
  }
  return out;
}

TEST(ClientHello, TellsTheProtocolFromOthers) {
  EXPECT_EQ(offers_protocol(hello("\x09postern/1"), kProtocol), Offer::yes);
  EXPECT_EQ(offers_protocol(hello("\x02h2\x09postern/1"), kProtocol), Offer::yes);
  EXPECT_EQ(offers_protocol(hello("\x02h2\x08http/1.1"), kProtocol), Offer::no);
  EXPECT_EQ(offers_protocol(hello("\x0apostern/11"), kProtocol), Offer::no);
  EXPECT_EQ(offers_protocol(hello("\x08postern/"), kProtocol), Offer::no);
  EXPECT_EQ(offers_protocol(hello(""), kProtocol), Offer::no);
}

TEST(ClientHello, IsUndecidedUntilItsLastByte) {
  for (const std::string& whole : {hello("\x09postern/1"), in_records(hello("\x09postern/1"), 7)}) {
    for (std::size_t size = 0; size < whole.size(); ++size)
      ASSERT_EQ(offers_protocol(whole.substr(0, size), kProtocol), Offer::more) << size;
    EXPECT_EQ(offers_protocol(whole, kProtocol), Offer::yes);
    EXPECT_EQ(offers_protocol(whole + "more", kProtocol), Offer::yes) << "what follows says nothing";
  }
}

TEST(ClientHello, OneByteTellsWhatIsNoTls) {
  for (const char* text : {"G", "POST / HTTP/1.1", "\x15", "\x80"})
    EXPECT_EQ(offers_protocol(text, kProtocol), Offer::no) << text;
}

TEST(ClientHello, RefusesWhatNoHelloIs) {
  const std::string good = hello("\x09postern/1");
  std::string other_message = good;
  other_message[5] = 2;  // a ServerHello
  std::string huge = good;
  huge[6] = 1;  // 64 KiB and more
  std::string empty_record = good;
  empty_record[3] = empty_record[4] = 0;
  std::string other_version = good;
  other_version[1] = 2;
  for (const std::string& bad : {other_message, huge, empty_record, other_version})
    EXPECT_EQ(offers_protocol(bad, kProtocol), Offer::no);
  std::string lying = good;
  lying[5 + 4 + 2 + 32] = '\xff';  // the session id is longer than the hello
  EXPECT_EQ(offers_protocol(lying, kProtocol), Offer::no);
}

TEST(ClientHello, IsBounded) {
  std::string endless;
  while (endless.size() < kMostHello) endless += std::string("\x16\x03\x01\x00\x05\x01\x00\x3f\xff\x00", 10);
  EXPECT_EQ(offers_protocol(endless.substr(0, 5000), kProtocol), Offer::more);
  EXPECT_EQ(offers_protocol(endless, kProtocol), Offer::no);
}

}  // namespace
}  // namespace postern::http
