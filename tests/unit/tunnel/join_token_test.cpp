#include "tunnel-proto/join_token.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "tunnel-proto/big_endian.hpp"

namespace postern::tunnel {
namespace {

JoinToken sample() {
  JoinToken token;
  token.host = "relay.example.com";
  token.port = 9700;
  token.join_id.uuid.fill(3);
  token.join_secret = std::string(32, 's');
  token.pins = {std::string(32, '\0'), std::string(32, '\xff')};
  token.expires_at = Time(std::chrono::seconds(1'800'000'000));
  return token;
}

std::string code_of(std::string_view text) {
  const auto parsed = parse_join_token(text);
  return parsed ? "ok" : parsed.error().code;
}

/// A token whose record is changed by `edit` and whose CRC fits again.
template <class Edit>
std::string edited(Edit edit) {
  std::string record = *base64url_decode(encode_join_token(sample()).substr(4));
  record.resize(record.size() - 4);
  edit(record);
  append_u32(record, crc32(record));
  return "pj1_" + base64url_encode(record);
}

TEST(JoinToken, ComesBackAsItWas) {
  const std::string text = encode_join_token(sample());
  EXPECT_TRUE(text.starts_with("pj1_"));
  const auto parsed = parse_join_token(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, sample());
}

TEST(JoinToken, TakesAddressesAndForgivesBlanksAround) {
  JoinToken token = sample();
  token.host = "2001:db8::1";
  EXPECT_EQ(*parse_join_token("  \n" + encode_join_token(token) + "\r\n\t"), token);
}

TEST(JoinToken, SaysWhatIsWrong) {
  const std::string text = encode_join_token(sample());
  EXPECT_EQ(code_of(""), "not_a_join_token");
  EXPECT_EQ(code_of("hello"), "not_a_join_token");
  EXPECT_EQ(code_of("PJ1_" + text.substr(4)), "not_a_join_token");
  EXPECT_EQ(code_of("pj2_" + text.substr(4)), "join_token_version");
  EXPECT_EQ(code_of("pj1_"), "join_token_truncated");
  EXPECT_EQ(code_of("pj1_AA"), "join_token_truncated");
  EXPECT_EQ(code_of(text + "="), "join_token_truncated");
  EXPECT_EQ(code_of(text.substr(0, 20) + " " + text.substr(20)), "join_token_truncated");
}

TEST(JoinToken, NoticesEveryCutAndEveryChangedCharacter) {
  const std::string text = encode_join_token(sample());
  for (std::size_t size = 4; size < text.size(); ++size) {
    EXPECT_EQ(code_of(text.substr(0, size)), "join_token_truncated") << size;
  }
  for (std::size_t i = 4; i < text.size(); ++i) {
    std::string bent = text;
    bent[i] = bent[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(code_of(bent), "join_token_truncated") << i;
  }
}

TEST(JoinToken, BelievesNoLengthInside) {
  EXPECT_EQ(code_of(edited([](std::string& r) { r[0] = static_cast<char>(255); })), "join_token_truncated");
  EXPECT_EQ(code_of(edited([](std::string& r) { r += 'x'; })), "join_token_truncated");
  EXPECT_EQ(code_of(edited([](std::string& r) { r.clear(); })), "join_token_truncated");
  const std::size_t pins = 1 + 17 + 2 + 16 + 32 + 8;
  EXPECT_EQ(code_of(edited([&](std::string& r) { r[pins] = 9; })), "join_token_truncated");
  EXPECT_EQ(code_of(edited([&](std::string& r) {
              r[pins] = 0;
              r.resize(pins + 1);
            })),
            "join_token_invalid");
  EXPECT_EQ(code_of(edited([](std::string& r) { r[18] = r[19] = 0; })), "join_token_invalid") << "port 0";
  EXPECT_EQ(code_of(edited([](std::string& r) { r[3] = '\n'; })), "join_token_invalid")
      << "a host with a line end";
  EXPECT_EQ(code_of(edited([](std::string& r) { r[1 + 17 + 2 + 16 + 32] = '\x7f'; })), "join_token_invalid")
      << "expiry";
}

TEST(JoinToken, NoErrorRepeatsTheSecret) {
  const std::string text = encode_join_token(sample());
  const auto parsed = parse_join_token(text.substr(0, text.size() - 1));
  EXPECT_EQ(parsed.error().message.find(text.substr(4, 12)), std::string::npos);
}

TEST(JoinToken, IsNotMadeFromNonsense) {
  const auto throws = [](auto edit) {
    JoinToken token = sample();
    edit(token);
    EXPECT_THROW(encode_join_token(token), std::invalid_argument);
  };
  throws([](JoinToken& t) { t.host.clear(); });
  throws([](JoinToken& t) { t.host = std::string(254, 'a'); });
  throws([](JoinToken& t) { t.host = "a b"; });
  throws([](JoinToken& t) { t.port = 0; });
  throws([](JoinToken& t) { t.join_secret = "short"; });
  throws([](JoinToken& t) { t.pins.clear(); });
  throws([](JoinToken& t) { t.pins.resize(5, std::string(32, 'p')); });
  throws([](JoinToken& t) { t.pins[0].pop_back(); });
}

}  // namespace
}  // namespace postern::tunnel
