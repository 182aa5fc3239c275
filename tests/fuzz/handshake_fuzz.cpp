// A stranger who knows no secret, before either end. Whatever it sends: no crash, and never an admission.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "tunnel-proto/handshake.hpp"

namespace postern::tunnel {
namespace {

const Uuid kId = {1, 2, 3};

std::string exporter(std::string_view) {
  return std::string(32, 'b');
}

template <class Side>
bool feed(Side& side, std::string_view& bytes, std::size_t most) {
  std::size_t used = 0;
  const std::string copy(bytes.substr(0, most));
  const auto step = side.receive(copy, &used);
  if (used > copy.size()) std::abort();
  bytes.remove_prefix(used);
  (void)side.take_output();
  if (!step || used == 0) return false;
  if (*step == Side::Step::done) std::abort();
  return true;
}

void against_relay(std::string_view bytes, std::size_t step, bool known) {
  SeededRandom random(1);
  RelayHandshake relay({"relay", std::string(32, 'd')}, &exporter, random);
  AgentId agent_id;
  agent_id.uuid = kId;
  bool answered = false;
  while (!bytes.empty() && feed(relay, bytes, step)) {
    if (answered || relay.hello().software.empty()) continue;
    answered = true;
    const Verifiers verifiers = derive_verifiers(Identity::agent, kId, std::string(32, 's'));
    const auto found = relay.found(known ? std::optional(Account{verifiers, agent_id, 1, {}}) : std::nullopt);
    if (found && *found == RelayHandshake::Step::done) std::abort();
  }
}

void against_agent(std::string_view bytes, std::size_t step) {
  SeededRandom random(1);
  Hello hello;
  hello.id = kId;
  AgentHandshake agent(hello, std::string(32, 's'), &exporter, random);
  (void)agent.start();
  while (!bytes.empty() && feed(agent, bytes, step)) {
  }
}

}  // namespace
}  // namespace postern::tunnel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t step = 1 + data[1];
  switch (data[0] % 4) {
    case 0:
      postern::tunnel::against_relay(bytes, step, true);
      break;
    case 1:
      postern::tunnel::against_relay(bytes, step, false);
      break;
    case 2:
      postern::tunnel::against_agent(bytes, step);
      break;
    default:
      (void)postern::tunnel::decode_enroll(bytes);
      (void)postern::tunnel::decode_enroll_ok(bytes);
      (void)postern::tunnel::decode_enroll_fail(bytes);
  }
  return 0;
}
