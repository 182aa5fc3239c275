#include "relay/destinations/destination_url.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

constexpr auto kHttp = DestinationKind::http;

std::string verdict(DestinationKind kind, std::string_view url, const EgressPolicy& policy = {}) {
  const auto ok = validate_destination_url(kind, url, policy);
  return ok ? "" : ok.error().code;
}

TEST(DestinationUrl, TakesPublicHttpUrls) {
  for (const char* url :
       {"https://example.com", "http://example.com/hook?a=b", "https://example.com:8443/",
        "https://example.com.:443/x", "https://8.8.8.8/x", "https://[2606:4700:4700::1111]/x",
        "https://a_b.example.com/x", "https://xn--bcher-kva.example/x", "http://localhost:8000/",
        "https://1password.com/x", "https://0x.example/", "https://example.com/a%20b?c=%41"}) {
    EXPECT_EQ(verdict(kHttp, url), "") << url;
  }
}

TEST(DestinationUrl, RefusesWhatIsNoPlainHttpUrl) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "invalid_url"},
      {"example.com/x", "invalid_url"},
      {"//example.com/x", "invalid_url"},
      {"https:///x", "invalid_url"},
      {"https://", "invalid_url"},
      {"ftp://example.com/", "unsupported_scheme"},
      {"file:///etc/passwd", "unsupported_scheme"},
      {"gopher://example.com/_x", "unsupported_scheme"},
      {"https://user@example.com/", "invalid_url"},
      {"https://user:pass@example.com/", "invalid_url"},
      {"https://8.8.8.8@127.0.0.1/", "invalid_url"},
      {"https://example.com/#top", "invalid_url"},
      {"https://example.com/a b", "invalid_url"},
      {"https://example.com/\r\nHost: evil", "invalid_url"},
      {"https://example.com\\@127.0.0.1/", "invalid_url"},
      {"https://b\xc3\xbc"
       "cher.example/",
       "invalid_url"},
      {"https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "invalid_url"},
      {"https://example.com:99999/", "invalid_url"},
      {"https://example..com/", "invalid_url"},
      {"https://127%2e0.0.1/", "invalid_url"},
      {"https://exa%6dple.com/", "invalid_url"},
  };
  for (const auto& [url, code] : rows) EXPECT_EQ(verdict(kHttp, url), code) << url;
  EXPECT_EQ(verdict(kHttp, "https://example.com/" + std::string(kMostUrlBytes, 'x')), "invalid_url");
}

TEST(DestinationUrl, RefusesNumbersInDisguise) {
  for (const char* host :
       {"2130706433", "017700000001", "0x7f000001", "0X7F.1", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1",
        "127.0.0.1.", "127.0.0.01", "1.2.3.4.5", "256.1.1.1", "example.0x7f", "example.1", "0"}) {
    EXPECT_EQ(verdict(kHttp, "http://" + std::string(host) + "/"), "invalid_url") << host;
    EXPECT_EQ(verdict(DestinationKind::agent, "http://" + std::string(host) + "/"), "invalid_url") << host;
  }
}

TEST(DestinationUrl, RefusesForbiddenLiteralsAndSaysWhichSettingAllowsThem) {
  for (const char* host :
       {"127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[64:ff9b::10.0.0.1]", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0"}) {
    const auto result = validate_destination_url(kHttp, "http://" + std::string(host) + ":8000/", {});
    ASSERT_FALSE(result) << host;
    EXPECT_EQ(result.error().code, "address_refused") << host;
    EXPECT_NE(result.error().message.find("egress.allow_networks"), std::string::npos)
        << result.error().message;
  }
  EXPECT_NE(verdict(kHttp, "http://[fe80::1%25eth0]/"), "");
  EXPECT_NE(verdict(kHttp, "http://[fe80::1%eth0]/"), "");
}

TEST(DestinationUrl, AnAllowedLiteralPasses) {
  const std::vector<std::string> networks = {"127.0.0.0/8"};
  const EgressPolicy policy = EgressPolicy::from_config(networks).value();
  EXPECT_EQ(verdict(kHttp, "http://127.0.0.1:8000/", policy), "");
  EXPECT_EQ(verdict(DestinationKind::slack, "http://127.0.0.1:8000/services/x", policy), "");
  EXPECT_EQ(verdict(kHttp, "http://10.0.0.1/", policy), "address_refused");
}

TEST(DestinationUrl, RefusesPortsOfOtherProtocols) {
  for (const char* port : {"1", "22", "25", "53", "110", "143", "587", "6667", "10080"}) {
    EXPECT_EQ(verdict(kHttp, "http://example.com:" + std::string(port) + "/"), "port_refused") << port;
    EXPECT_EQ(verdict(DestinationKind::agent, "http://app:" + std::string(port) + "/"), "") << port;
  }
}

TEST(DestinationUrl, AnAgentMayReachAnything) {
  for (const char* url :
       {"http://127.0.0.1:8000/x", "http://localhost:8000", "https://10.0.0.5/", "http://[::1]:80/"}) {
    EXPECT_EQ(verdict(DestinationKind::agent, url), "") << url;
  }
}

TEST(DestinationUrl, AnAgentMayReachASocket) {
  const auto url =
      parse_destination_url(DestinationKind::agent, "HTTP+unix://%2Frun%2Fmy%20app.sock/a?b", EgressPolicy());
  EXPECT_FALSE(url) << "no blanks";
  const auto good =
      parse_destination_url(DestinationKind::agent, "HTTP+unix://%2Frun%2Fapp.sock/a?b", EgressPolicy());
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->origin, (http::Origin{false, "unix:/run/app.sock", 80}));
  EXPECT_EQ(good->target, "/a?b");
  EXPECT_EQ(url_without_credentials(DestinationKind::agent, *good), "http+unix://%2frun%2fapp.sock/a?…");
  EXPECT_EQ(verdict(DestinationKind::agent, "http+unix://%2frun%2Fapp.sock"), "");
  for (const char* bad :
       {"http+unix:///run/app.sock", "http+unix://", "http+unix://run", "http+unix://%2Frun%00x/",
        "http+unix://%2Frun%/", "http+unix://%2Frun%3Ax/", "http+unix://%2Frun/a#b", "http+unix://%2Frun#"})
    EXPECT_EQ(verdict(DestinationKind::agent, bad), "invalid_url") << bad;
  EXPECT_EQ(verdict(DestinationKind::agent, "https+unix://%2Frun/"), "unsupported_scheme");
  EXPECT_EQ(verdict(DestinationKind::http, "http+unix://%2Frun%2Fapp.sock/"), "unsupported_scheme");
}

TEST(DestinationUrl, ASlackUrlIsASecretAndHttps) {
  EXPECT_EQ(verdict(DestinationKind::slack, "https://hooks.slack.com/services/T/B/x"), "");
  EXPECT_EQ(verdict(DestinationKind::slack, "http://hooks.slack.com/services/T/B/x"), "unsupported_scheme");
  EXPECT_EQ(verdict(DestinationKind::slack, "https://127.0.0.1/services/T/B/x"), "address_refused");
}

TEST(UrlWithoutCredentials, HidesQueriesAndSlackPaths) {
  const auto shown = [](DestinationKind kind, std::string_view url) {
    return url_without_credentials(kind, http::parse_url(url).value());
  };
  EXPECT_EQ(shown(kHttp, "https://example.com/hook?token=s3cret"), "https://example.com/hook?…");
  EXPECT_EQ(shown(kHttp, "http://example.com:8080"), "http://example.com:8080/");
  EXPECT_EQ(shown(DestinationKind::slack, "https://hooks.slack.com/services/T/B/s3cret"),
            "https://hooks.slack.com/…");
}

}  // namespace
}  // namespace postern::relay
