#include "relay/ingest/ingest_metrics.hpp"

namespace postern::relay {
namespace {

constexpr std::array<std::string_view, kIngestResults> kNames = {
    "accepted",           "duplicate",           "handshake",
    "missing_header",     "malformed_signature", "timestamp_out_of_tolerance",
    "no_matching_secret", "store_busy",          "store_failed",
    "store_timeout",      "not_allowed",         "misconfigured",
    "rate_limited",       "programs_busy",       "overloaded"};

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Histogram& histogram(prometheus::Registry& registry) {
  auto& family =
      prometheus::BuildHistogram()
          .Name("postern_ingest_seconds")
          .Help("From the last byte of a request to its answer, for requests that reached the store")
          .Register(registry);
  return family.Add({}, prometheus::Histogram::BucketBoundaries{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                                                0.1, 0.25, 0.5, 1, 2, 5});
}

}  // namespace

std::string_view to_text(IngestResult result) {
  return kNames[static_cast<std::size_t>(result)];
}

IngestResult result_of_verdict(std::string_view code) {
  for (const auto result : {IngestResult::missing_header, IngestResult::malformed_signature,
                            IngestResult::timestamp_out_of_tolerance}) {
    if (to_text(result) == code) return result;
  }
  return IngestResult::no_matching_secret;
}

IngestMetrics::IngestMetrics(prometheus::Registry& registry)
    : unknown(counter(registry, "postern_ingest_unknown_total", "Requests to no source, or a disabled one")),
      method_refused(counter(registry, "postern_ingest_method_refused_total", "Requests that were not POST")),
      late_commits(counter(registry, "postern_ingest_late_commits_total", "Events committed after a 503")),
      audit_left_out(
          counter(registry, "postern_ingest_audit_left_out_total", "Refusals not audited one by one")),
      seconds_(histogram(registry)) {
  auto& family = prometheus::BuildCounter()
                     .Name("postern_ingest_requests_total")
                     .Help("Requests to known sources, by provider and result")
                     .Register(registry);
  const auto add = [&](const std::string& provider) {
    auto& counters = requests_.emplace_back();
    for (std::size_t i = 0; i < kIngestResults; ++i) {
      counters[i] = &family.Add({{"provider", provider}, {"result", std::string(kNames[i])}});
    }
  };
  for (const Provider& row : providers()) add(row.name);
  add("none");
}

void IngestMetrics::count(const Provider* provider, IngestResult result) {
  const auto rows = providers();
  const auto row = provider == nullptr ? rows.size() : static_cast<std::size_t>(provider - rows.data());
  requests_[row][static_cast<std::size_t>(result)]->Increment();
}

}  // namespace postern::relay
