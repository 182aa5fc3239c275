#pragma once
#include <optional>
#include <string_view>

#include "base/http/gate.hpp"

namespace postern::http {

/// Judges a syntactically sound head and fills in framing, keep_alive and expect_continue; nullopt when it
/// passes. Refusals are 400 unless said: `missing_host`, `duplicate_host`, `invalid_host`, `bad_target_form`,
/// `target_host_mismatch`, `duplicate_content_length`, `invalid_content_length`,
/// `content_length_with_transfer_encoding`, `transfer_encoding_in_http10`, `duplicate_transfer_encoding`,
/// `invalid_transfer_encoding`, `framing_lookalike`, `body_not_allowed`, `invalid_connection`, and 417 with
/// `expectation_failed`.
std::optional<Verdict> judge(Head& head);

/// `name`, `name:port`, `[v6]` or `[v6]:port`: what a Host field may say.
bool valid_host(std::string_view host);

}  // namespace postern::http
