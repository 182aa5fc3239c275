#pragma once

namespace postern {

/// Call once, first thing in main. Bodies pass through strings of up to a megabyte that live for a moment. By
/// default the C library takes such memory from the kernel each time and gives it back at once, and faulting
/// it in costs more than decrypting what goes into it. This keeps up to 4 MiB instead. Elsewhere than on
/// glibc it does nothing.
void keep_freed_memory();

/// Gives back all of that, when there is nothing to do for a while. Takes about a millisecond.
void give_back_memory();

}  // namespace postern
