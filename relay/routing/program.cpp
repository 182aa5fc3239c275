#include "relay/routing/program.hpp"

#include <new>

#include "relay/routing/sandbox.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kMessagesMax = 2'000;

void erase_all(std::string& text, std::string_view what) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what)) text.erase(at, what.size());
}

/// libjq reports each mistake by itself, worded for its own command line, and then how many there were.
std::string worded(std::string text) {
  for (const char* noise : {"jq: error: ", " (Unix shell quoting issues?)", " at <top-level>"})
    erase_all(text, noise);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void collect(void* to, jv message) {
  auto& messages = *static_cast<std::string*>(to);
  const Jv held(message);
  if (held.kind() != JV_KIND_STRING || messages.size() > kMessagesMax) return;
  std::string text(held.text());
  const bool counts_only = text.starts_with("jq: ") && text.find("compile error") != text.npos;
  if (counts_only) return;
  if (!messages.empty()) messages += "; ";
  messages += worded(std::move(text));
}

void ignore(void*, jv message) {
  jv_free(message);
}

jv no_input(jq_state*, void*) {
  return jv_invalid();
}

std::string message_of(jv value) {
  const Jv message(jv_invalid_get_msg(value));
  if (message.kind() == JV_KIND_STRING) return std::string(message.text());
  const Jv shown(jv_dump_string(message.copy(), 0));
  return "error: " + std::string(shown.text());
}

}  // namespace

Result<std::unique_ptr<Program>> Program::compile(const std::string& text) {
  // It is handed on as a C string: what stands behind a NUL would silently be left out.
  if (text.find('\0') != text.npos) return fail("invalid_program", "a NUL byte is not part of any program");
  jq_state* const state = jq_init();
  if (state == nullptr) throw std::bad_alloc();
  std::unique_ptr<Program> program(new Program(state));
  std::string messages;
  jq_set_error_cb(state, collect, &messages);
  // jq_init() leaves some of these as malloc() found them.
  jq_set_debug_cb(state, ignore, nullptr);
  jq_set_input_cb(state, no_input, nullptr);
  // Each jq_next() puts this one in place of the thread's own.
  jq_set_nomem_handler(state, [](void*) { end_without_memory(); }, nullptr);
  jq_set_attr(state, jv_string("JQ_LIBRARY_PATH"), jv_array());
  const bool compiled = jq_compile(state, text.c_str()) != 0;
  jq_set_error_cb(state, ignore, nullptr);
  if (!compiled) return fail("invalid_program", messages.empty() ? "jq cannot compile it" : messages);
  return program;
}

Program::~Program() {
  jq_teardown(&state_);
}

void Program::start(Jv input) {
  jq_start(state_, input.release(), 0);
}

void Program::reset() {
  jq_start(state_, jv_null(), 0);
}

std::variant<Jv, Program::Nothing, Program::Failed> Program::next() {
  Jv value(jq_next(state_));
  if (value.valid()) return value;
  if (jq_halted(state_)) return Failed{"halt is not available here; use empty, or error(\"why\")"};
  if (!jv_invalid_has_msg(value.copy())) return Nothing{};
  return Failed{message_of(value.release())};
}

}  // namespace postern::relay
