#pragma once

namespace postern::relay {

/// Whether append() answers before the commit is durable. In the shipped program: never. It is a function of
/// its own only so that one test program can be linked with another answer, and the kill test be shown to
/// notice: there is no setting, flag or build option for it.
bool acknowledge_before_commit() noexcept;

}  // namespace postern::relay
