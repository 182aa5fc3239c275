#include <fmt/format.h>

#include <cstdlib>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "relay/providers/compiled_source.hpp"
#include "relay/providers/generic_scheme.hpp"
#include "relay/providers/handshake.hpp"
#include "relay/providers/json_scan.hpp"
#include "relay/providers/source_rules.hpp"

/// Hostile headers and bodies through every provider row, the JSON scanner and the parser of generic schemes.
///
/// The input is lines of "Name: value", an empty line, and a body. Whatever it is, nothing may crash, and
/// nothing that was not signed with a secret may be accepted: the secrets here are random and die with the
/// process.
using namespace postern;
using namespace postern::relay;

namespace {

const Time kNow = Time(std::chrono::seconds(1'700'000'000));

[[noreturn]] void broken(std::string_view what) {
  fmt::print(stderr, "broken: {}\n", what);
  std::abort();
}

http::Request read_request(std::string_view input) {
  http::Request request;
  while (request.headers.size() < 128 && !input.empty()) {
    const std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(std::min(input.size(), line.size() + 1));
    if (line.empty()) break;
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    request.headers.push_back({std::string(line.substr(0, colon)), std::string(line.substr(colon + 2))});
  }
  request.body = input;
  return request;
}

std::vector<std::unique_ptr<CompiledSource>> make_sources() {
  SystemRandom random;
  const std::string secret = "whsec_" + base64_encode(random.bytes(32));
  std::vector<std::unique_ptr<CompiledSource>> sources;
  const auto add = [&](const std::string& provider, std::string scheme) {
    Source source;
    source.provider = provider;
    source.scheme_json = std::move(scheme);
    source.secrets = {secret, "whsec_" + base64_encode(random.bytes(24))};
    sources.push_back(std::move(CompiledSource::make(source).value()));
  };
  for (const Provider& row : providers()) add(row.name, row.scheme ? "" : R"({"header":"S"})");
  for (const char* format : {"seconds", "milliseconds", "rfc3339"}) {
    add("generic-hmac", fmt::format(R"({{"header":"S","encoding":"base64url","digest":"sha1",
        "timestamp":{{"header":"T","format":"{}"}},"message":"{{id}}.{{timestamp}}{{body}}",
        "dedupe":{{"header":"I"}},"type":{{"pointer":"/a/0/b"}}}})",
                                    format));
  }
  return sources;
}

void check_words(const Identity& identity) {
  if (identity.dedupe_key.empty() || identity.dedupe_key.size() > kDedupeKeyBytesMax) broken("dedupe key");
  if (identity.type.size() > kTypeBytesMax || !is_utf8(identity.type)) broken("type");
  if (!is_utf8(identity.dedupe_key)) broken("dedupe key is no text");
}

void check_providers(const http::Request& request) {
  static const auto sources = make_sources();
  for (const auto& source : sources) {
    const SignatureVerdict verdict = source->verify(request.headers, request.body, kNow);
    if (verdict.ok()) broken("a forged request was accepted");
    if (verdict.skew_seconds.has_value() != (verdict.code == "timestamp_out_of_tolerance")) broken("skew");
    const auto first = source->identity(request.headers, request.body, "topic");
    const auto second = source->identity(request.headers, request.body, "topic");
    check_words(first);
    if (first.dedupe_key != second.dedupe_key || first.type != second.type) broken("identity is not stable");
    const auto answer = answer_handshake(source->provider(), request.headers, request.body);
    if (answer && answer->body.size() > 256) broken("reflects too much");
  }
}

void check_scheme(std::string_view text) {
  if (const auto scheme = parse_generic_scheme(text); !scheme) return;
  Source source;
  source.provider = "generic-hmac";
  source.scheme_json = text;
  source.secrets = {"6162636465666768"};
  if (validate_source(source) && !CompiledSource::make(source)) broken("a valid source does not compile");
}

void check_scan(std::string_view text) {
  static const std::array<JsonPointer, 3> kPointers = {JsonPointer::parse("/id").value(),
                                                       JsonPointer::parse("/a/b").value(),
                                                       JsonPointer::parse("/c/1").value()};
  const std::array<const JsonPointer*, 3> wanted = {&kPointers[0], &kPointers[1], &kPointers[2]};
  for (const auto& word : scan_json(text, wanted)) {
    if (word && (word->empty() || word->size() > text.size())) broken("a word that is not there");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const http::Request request = read_request(input);
  check_providers(request);
  check_scan(request.body);
  check_scan(input);
  check_scheme(request.body);
  (void)JsonPointer::parse(input);
  return 0;
}
