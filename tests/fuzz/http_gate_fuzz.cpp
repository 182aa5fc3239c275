// Bytes of a connection through the gate and the body decoder. Holds that the verdict does not depend on how
// the bytes are cut, that what is accepted obeys the gate's own promises, and that Beast reads it the same
// way.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/bytes.hpp"
#include "base/http/gate.hpp"
#include "base/http/response_parser.hpp"
#include "tests/support/beast_oracle.hpp"
#include "tests/unit/http/reading.hpp"

namespace {

using namespace postern::http;
using postern::http::test::Reading;

void hold(bool promise, const char* what) {
  if (promise) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

void hold_same(const Reading& a, const Reading& b) {
  hold(a.progress == b.progress && a.verdict == b.verdict, "the verdict depends on the cut");
  hold(a.body == b.body && a.head.headers == b.head.headers, "the message depends on the cut");
  if (a.progress == Progress::done) hold(a.used == b.used, "the end depends on the cut");
}

void hold_accepted(std::string_view bytes, const Reading& reading) {
  const Head& head = reading.head;
  const std::size_t lengths = count_header(head.headers, "content-length");
  const std::size_t transfers = count_header(head.headers, "transfer-encoding");
  hold(lengths + transfers <= 1, "more than one framing field");
  hold((transfers == 1) == (head.framing == Framing::chunked), "chunked without its field");
  hold(count_header(head.headers, "host") == 1 || head.http10, "no single host");
  const std::string difference =
      postern::test::disagreement_with_beast(bytes.substr(0, reading.used), head, reading.body, reading.used);
  if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
  hold(difference.empty(), "Beast reads it differently");
}

void feed_response(std::string_view bytes, std::size_t cut) {
  ResponseParser whole(false, 4096, 1024);
  whole.feed(bytes);
  ResponseParser split(false, 4096, 1024);
  split.feed(bytes.substr(0, cut));
  split.feed(bytes.substr(cut));
  hold(whole.progress() == split.progress() && whole.reason() == split.reason(),
       "the response depends on the cut");
  hold(whole.status == split.status && whole.body == split.body, "the response's body depends on the cut");
  hold(whole.body.size() <= 1024, "the response is over its cap");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The last byte chooses where to cut; the rest is what a client sent.
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = data[size - 1] * size / 256;
  const Reading whole = test::read_whole(bytes);
  hold_same(whole, test::read_split(bytes, cut));
  hold_same(whole, test::read_by_byte(bytes));
  if (whole.progress == Progress::done) hold_accepted(bytes, whole);
  feed_response(bytes, cut);
  return 0;
}
