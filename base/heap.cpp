#include "base/heap.hpp"

#include <cstdlib>  // says whether this is glibc

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace postern {
namespace {

[[maybe_unused]] constexpr int kFromTheHeap =
    2 * 1024 * 1024;  // larger ones are mapped, and unmapped when freed
[[maybe_unused]] constexpr int kKept = 4 * 1024 * 1024;

}  // namespace

void keep_freed_memory() {
#ifdef __GLIBC__
  (void)::mallopt(M_MMAP_THRESHOLD, kFromTheHeap);
  (void)::mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

void give_back_memory() {
#ifdef __GLIBC__
  (void)::malloc_trim(0);
#endif
}

}  // namespace postern
