#include "base/http/gate.hpp"

#include "base/http/gate_rules.hpp"

namespace postern::http {

std::size_t Gate::feed(std::string_view bytes) {
  if (progress_ != Progress::more) return 0;
  std::size_t used = 0;
  if (line_.progress() == Progress::more) {
    used = line_.feed(bytes);
    if (line_.progress() == Progress::refused) refuse(line_.verdict());
    if (line_.progress() != Progress::done) return used;
    const std::size_t left = limits_.header_bytes - std::min(limits_.header_bytes, line_.size());
    fields_ = FieldParser(left, limits_.header_fields);
  }
  used += fields_.feed(bytes.substr(used));
  if (fields_.progress() == Progress::refused) refuse(fields_.verdict());
  if (fields_.progress() == Progress::done) finish();
  return used;
}

void Gate::finish() {
  head_.method = std::move(line_.method);
  head_.target = std::move(line_.target);
  head_.http10 = line_.http10;
  head_.headers = std::move(fields_.fields());
  if (const auto verdict = judge(head_)) return refuse(*verdict);
  progress_ = Progress::done;
}

void Gate::refuse(Verdict verdict) {
  verdict_ = verdict;
  progress_ = Progress::refused;
}

}  // namespace postern::http
