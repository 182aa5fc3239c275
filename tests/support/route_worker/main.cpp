// A program that is nothing but the worker of relay/routing, for tests to start in place of postern itself.
#include "relay/routing/worker.hpp"

int main(int argc, char** argv) {
  return postern::relay::run_worker(std::span<char* const>(argv, static_cast<std::size_t>(argc)).subspan(2));
}
