#pragma once
#include <string_view>

/// Limits of paths, made for a target that was chosen by somebody who wants past them. No I/O.
namespace postern::agent {

/// Whether a path can be read in one way only, by whatever server: no empty segment (//), no . or .. (also
/// with parameters: ..;x), no backslash, control byte or NUL, none of these percent-encoded or encoded twice,
/// no encoded slash, no encoded percent sign, no byte that no UTF-8 text has. `path` is raw, without a query,
/// and begins with a slash.
bool is_plain_path(std::string_view path);

/// Whether a raw target (path and query) is `prefix` or lies below it: /hooks takes /hooks and /hooks/x but
/// not /hooksmith; /hooks/ takes what is below it only. A path that is not plain is below nothing. Compares
/// what is encoded as what it stands for, with case. `prefix` is a plain path.
bool is_below(std::string_view target, std::string_view prefix);

}  // namespace postern::agent
