#include "relay/routing/sandbox.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "relay/routing/jv.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POSTERN_SANITIZED 1
#endif
#endif

namespace postern::relay {
namespace {

#ifdef POSTERN_SANITIZED
constexpr bool kWhole = false;
#else
constexpr bool kWhole = true;
#endif

constexpr int kFirstCode = 64;
constexpr std::array<Fault, 3> kEnds = {Fault::time, Fault::memory, Fault::crashed};
/// Compiled programs stay, and a program shall not pay for its neighbours.
constexpr std::uint64_t kCacheBytes = 16 * 1024 * 1024;

volatile std::sig_atomic_t current_stage = 0;

[[noreturn]] void end_with(Fault fault) {
  ::_exit(exit_code({fault, static_cast<Stage>(current_stage)}));
}
void on_time(int) {
  end_with(Fault::time);
}
void on_crash(int) {
  end_with(Fault::crashed);
}
void on_no_memory(void*) {
  end_with(Fault::memory);
}

void catch_signal(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_ONSTACK;
  ::sigaction(signal, &action, nullptr);
}

/// A value nested too deeply overflows the stack: the handler needs another one.
void catch_signals() {
  static std::array<char, 64 * 1024> stack;
  stack_t other = {};
  other.ss_sp = stack.data();
  other.ss_size = stack.size();
  ::sigaltstack(&other, nullptr);
  // A sanitizer's own report says more; and ThreadSanitizer keeps signals back until the program calls
  // something.
  if (!kWhole) return;
  catch_signal(SIGPROF, on_time);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) catch_signal(signal, on_crash);
}

bool limit(__rlimit_resource_t what, std::uint64_t most) {
  const rlimit both{most, most};
  return ::setrlimit(what, &both) == 0;
}

/// Private writable memory of this process; 0 when the system doesn't say.
std::uint64_t data_bytes() {
  unsigned long pages = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1) pages = 0;
  std::fclose(file);
  return std::uint64_t{pages} * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

bool limit_resources(std::uint64_t memory) {
  bool done = limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_NPROC, 0);
  if (!kWhole) return done;
  const std::uint64_t before = data_bytes();
  done = done && before > 0 && limit(RLIMIT_DATA, before + memory + kCacheBytes);
  // What is open stays open.
  return done && limit(RLIMIT_NOFILE, 0);
}

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "relay/routing/sandbox.cpp: name this architecture's AUDIT_ARCH"
#endif

/// All that computing, answering and ending need.
constexpr std::uint32_t kAllowed[] = {
    SYS_read,    SYS_write,     SYS_brk,           SYS_mmap,         SYS_munmap,         SYS_mremap,
    SYS_madvise, SYS_exit,      SYS_exit_group,    SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_rt_sigaction,
    SYS_futex,   SYS_setitimer, SYS_clock_gettime, SYS_getrandom,    SYS_restart_syscall};

/// Every other system call fails with EPERM: libjq asks for files here and there, and takes no for an answer.
bool allow_little() {
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (const std::uint32_t call : kAllowed) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

int exit_code(WorkerEnd end) {
  const auto at = std::ranges::find(kEnds, end.fault) - kEnds.begin();
  return kFirstCode + static_cast<int>(at) * static_cast<int>(kStages) + static_cast<int>(end.stage);
}

std::optional<WorkerEnd> worker_end_of(int code) {
  const int at = code - kFirstCode;
  if (at < 0 || at >= static_cast<int>(kEnds.size() * kStages)) return std::nullopt;
  return WorkerEnd{kEnds[static_cast<std::size_t>(at) / kStages],
                   static_cast<Stage>(static_cast<std::size_t>(at) % kStages)};
}

bool enter_sandbox(int parent_pid, std::uint64_t memory) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent_pid) return false;
  catch_signals();
  jv_nomem_handler(on_no_memory, nullptr);
  if (!limit_resources(memory)) return false;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return false;
  return !kWhole || allow_little();
}

void spend(Stage stage, std::uint32_t cpu_us) {
  current_stage = static_cast<std::sig_atomic_t>(stage);
  const itimerval timer{
      {}, {static_cast<time_t>(cpu_us / 1'000'000), static_cast<suseconds_t>(cpu_us % 1'000'000)}};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

void end_without_memory() {
  end_with(Fault::memory);
}

bool sandbox_is_whole() {
  return kWhole;
}

}  // namespace postern::relay
