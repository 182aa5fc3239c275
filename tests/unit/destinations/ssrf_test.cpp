// The egress policy under the real client: whatever a URL or a name server says, the canary is never
// connected.
#include <gtest/gtest.h>

#include <map>

#include "base/http/client.hpp"
#include "relay/destinations/egress_policy.hpp"
#include "tests/unit/destinations/loop_fixture.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;
using Addresses = std::vector<asio::ip::address>;
using namespace std::chrono_literals;

/// Answers each look-up of a name with the next of its answers; the last one stays.
class ScriptedResolver final : public http::Resolver {
 public:
  asio::awaitable<Result<Addresses>> resolve(std::string host) override {
    ++lookups;
    const auto found = answers.find(host);
    if (found == answers.end()) co_return fail("dns_failed", "no such name");
    std::vector<Addresses>& script = found->second;
    Addresses now = script.front();
    if (script.size() > 1) script.erase(script.begin());
    co_return now;
  }
  void add(const std::string& host, const std::vector<std::string>& texts) {
    Addresses list;
    for (const std::string& text : texts) list.push_back(asio::ip::make_address(text));
    answers[host].push_back(std::move(list));
  }

  std::map<std::string, std::vector<Addresses>> answers;
  int lookups = 0;
};

/// 127.0.0.2 stands for the public internet: the only loopback address the policy lets through.
class Ssrf : public testing::Test {
 protected:
  std::string attempt(const std::string& host, std::size_t idle = 0, bool system_resolver = false) {
    if (!client_ || idle != idle_ || system_resolver != system_) make_client(idle, system_resolver);
    http::ClientRequest request;
    request.method = "POST";
    request.target = "/";
    auto answer = run_on(loop_, client_->send({false, host, canary_.port()}, std::move(request), 2s));
    loop_.restart();
    loop_.poll();  // a connection on its way would be counted here
    if (answer) return std::to_string(answer->status);
    EXPECT_EQ(answer.error().sent, http::Sent::nothing) << host;
    return answer.error().error.code;
  }

  void make_client(std::size_t idle, bool system_resolver) {
    idle_ = idle;
    system_ = system_resolver;
    http::ClientOptions options;
    options.may_dial = policy_.dial_check();
    options.connect_time = 1s;
    options.idle_per_origin = idle;
    if (!system_resolver) options.resolver = resolver_;
    client_ = std::make_unique<http::Client>(std::move(options));
  }

  asio::io_context loop_;
  Canary canary_{loop_, "127.0.0.1"};
  TestServer public_{loop_, "127.0.0.2", canary_.port()};
  const std::vector<std::string> allowed_{"127.0.0.2"};
  EgressPolicy policy_ = EgressPolicy::from_config(allowed_).value();
  std::shared_ptr<ScriptedResolver> resolver_ = std::make_shared<ScriptedResolver>();
  std::unique_ptr<http::Client> client_;
  std::size_t idle_ = 0;
  bool system_ = false;
};

TEST_F(Ssrf, NamesThatLeadInsideAreRefusedByTheirAddress) {
  const char* inside[] = {"127.0.0.1",
                          "127.8.8.8",
                          "0.0.0.0",
                          "10.0.0.1",
                          "100.64.0.1",
                          "100.100.100.200",
                          "169.254.169.254",
                          "169.254.170.2",
                          "168.63.129.16",
                          "172.16.0.1",
                          "192.0.0.192",
                          "192.0.2.1",
                          "192.88.99.1",
                          "192.168.1.1",
                          "198.18.0.1",
                          "198.51.100.1",
                          "203.0.113.1",
                          "224.0.0.1",
                          "240.0.0.1",
                          "255.255.255.255",
                          "::",
                          "::1",
                          "::7f00:1",
                          "::ffff:127.0.0.1",
                          "::ffff:127.0.0.2",
                          "::ffff:a9fe:a9fe",
                          "64:ff9b::127.0.0.1",
                          "64:ff9b::127.0.0.2",
                          "64:ff9b:1::7f00:1",
                          "100::1",
                          "2001::1",
                          "2001:db8::1",
                          "2002:7f00:1::",
                          "2002:7f00:2::",
                          "2001:10::1",
                          "3fff::1",
                          "5f00::1",
                          "fc00::1",
                          "fd00:ec2::254",
                          "fe80::1",
                          "fec0::1",
                          "ff02::1"};
  for (const char* address : inside) {
    const std::string name = "n" + std::to_string(resolver_->answers.size()) + ".example";
    resolver_->add(name, {address});
    EXPECT_EQ(attempt(name), "address_refused") << address;
  }
  EXPECT_EQ(canary_.connections(), 0);
  EXPECT_TRUE(public_.handler.requests.empty());
}

TEST_F(Ssrf, OfMixedAnswersOnlyTheAllowedAddressIsDialled) {
  const std::vector<std::string> mixes[] = {{"127.0.0.1", "127.0.0.2"},
                                            {"127.0.0.2", "127.0.0.1"},
                                            {"::1", "127.0.0.1", "127.0.0.2"},
                                            {"::ffff:127.0.0.1", "127.0.0.2", "::1"}};
  for (const auto& mix : mixes) {
    const std::string name = "mix" + std::to_string(resolver_->answers.size()) + ".example";
    resolver_->add(name, mix);
    EXPECT_EQ(attempt(name), "200") << mix.front();
  }
  resolver_->add("inside.example", {"127.0.0.1", "::1", "10.0.0.1", "::ffff:127.0.0.1"});
  EXPECT_EQ(attempt("inside.example"), "address_refused");
  EXPECT_EQ(canary_.connections(), 0);
}

TEST_F(Ssrf, ANameThatChangesItsAnswerGainsNothing) {
  resolver_->add("rebind.example", {"127.0.0.2"});
  resolver_->add("rebind.example", {"127.0.0.1"});
  EXPECT_EQ(attempt("rebind.example"), "200");
  EXPECT_EQ(attempt("rebind.example"), "address_refused");
  EXPECT_EQ(attempt("rebind.example"), "address_refused");
  EXPECT_EQ(canary_.connections(), 0);
}

TEST_F(Ssrf, ANameIsLookedUpOncePerConnection) {
  resolver_->add("flip.example", {"127.0.0.2"});
  resolver_->add("flip.example", {"127.0.0.1"});
  EXPECT_EQ(attempt("flip.example"), "200");
  EXPECT_EQ(resolver_->lookups, 1);  // a second look between check and connect would be the hole
}

TEST_F(Ssrf, LiteralsAreJudgedWithoutALookup) {
  for (const char* host :
       {"127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1",
        "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%lo", "fd00:ec2::254"}) {
    const std::string outcome = attempt(host);
    EXPECT_TRUE(outcome == "address_refused" || outcome == "dns_failed" || outcome == "invalid_url")
        << host << outcome;
  }
  EXPECT_EQ(attempt("127.0.0.2"), "200");
  EXPECT_EQ(canary_.connections(), 0);
}

TEST_F(Ssrf, NumbersInDisguiseAreJudgedByWhatTheResolverMakesOfThem) {
  for (const char* host :
       {"2130706433", "017700000001", "0x7f000001", "0X7F.0.0.1", "127.1", "127.0.1", "0177.0.0.1", "0x7f.1",
        "127.0.0.1.", "localhost", "localhost.", "LOCALHOST", "0", "1", "::1%lo", "[::1]"}) {
    const std::string outcome = attempt(host, 0, true);
    EXPECT_TRUE(outcome == "address_refused" || outcome == "dns_failed") << host << " " << outcome;
  }
  EXPECT_EQ(canary_.connections(), 0);
}

TEST_F(Ssrf, ARedirectInsideIsAnAnswerLikeAnyOther) {
  public_.handler.answer = [&](const http::Request&) {
    return http::Response{
        302, {{"Location", "http://127.0.0.1:" + std::to_string(canary_.port()) + "/"}}, "", false};
  };
  EXPECT_EQ(attempt("127.0.0.2"), "302");
  EXPECT_EQ(public_.handler.requests.size(), 1u);
  EXPECT_EQ(canary_.connections(), 0);
}

TEST_F(Ssrf, TheCanaryDoesNoticeAConnection) {
  policy_ = EgressPolicy({parse_network("127.0.0.0/8").value()});
  make_client(0, false);
  http::ClientRequest request;
  request.method = "GET";
  request.target = "/";
  const auto answer =
      run_on(loop_, client_->send({false, "127.0.0.1", canary_.port()}, std::move(request), 500ms));
  EXPECT_FALSE(answer);
  EXPECT_EQ(canary_.connections(), 1);
}

}  // namespace
}  // namespace postern::relay
