// Load generator: its options, and what it prints.
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include <iostream>

#include "tests/bench/load.hpp"

namespace postern::bench {

bool Totals::count(std::string_view answer) {
  const std::string_view status = answer.size() > 12 ? answer.substr(9, 3) : std::string_view();
  const bool yes = status.starts_with('2');
  (yes ? accepted : status == "503" || status == "429" ? refused : other) += 1;
  return yes;
}

namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

std::string json_of(Totals& totals) {
  return fmt::format(
      R"({{"accepted":{},"refused":{},"other":{},"due":{},"sent":{},"missed":{},"behind":{},"turned_away":{},"unanswered":{},"connects":{},)"
      R"("seconds":{:.3f},"per_second":{:.0f},"client_cpu":{:.2f},"latency":{},"refusal_latency":{}}})",
      totals.accepted, totals.refused, totals.other, totals.due, totals.sent, totals.missed, totals.behind,
      totals.turned_away, totals.unanswered, totals.connects, totals.seconds,
      static_cast<double>(totals.accepted) / totals.seconds, cpu_seconds(), totals.accepted_after.json(),
      totals.refused_after.json());
}

int run(const Options& options) {
  Totals totals = options.open ? run_open(options) : run_paced(options);
  std::cout << json_of(totals) << std::endl;
  return totals.accepted > 0 ? 0 : 1;
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  postern::bench::Options options;
  CLI::App app{"Posts signed Stripe events and prints what came of it as JSON"};
  app.add_option("--port", options.port)->required();
  app.add_option("--path", options.path)->required();
  app.add_option("--secret", options.secret);
  app.add_option("--connections", options.connections)->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds)->check(CLI::Range(0.0, 240.0));
  const auto* rate = app.add_option("--rate", options.rate,
                                    "requests/s over all connections; 0: as fast as they are answered");
  app.add_flag("--open", options.open, "waits for nobody, and sends what was refused again")
      ->needs(const_cast<CLI::Option*>(rate));
  app.add_option("--size", options.size, "bytes of the body");
  CLI11_PARSE(app, argc, argv);
  return postern::bench::run(options);
}
