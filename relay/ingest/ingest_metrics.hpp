#pragma once
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "relay/providers/provider.hpp"

namespace postern::relay {

/// How a request to a known source ended: the `result` label.
enum class IngestResult {
  accepted,
  duplicate,
  handshake,
  missing_header,
  malformed_signature,
  timestamp_out_of_tolerance,
  no_matching_secret,
  store_busy,
  store_failed,
  store_timeout,
  not_allowed,
  misconfigured,
  rate_limited,
  programs_busy,
  overloaded,
};
inline constexpr std::size_t kIngestResults = 15;
std::string_view to_text(IngestResult result);
/// The result for a SignatureVerdict's code.
IngestResult result_of_verdict(std::string_view code);

///   postern_ingest_requests_total{provider,result}      every request to a known source
///   postern_ingest_unknown_total                        404: no such source, or a disabled one
///   postern_ingest_method_refused_total                 405
///   postern_ingest_seconds                              from the last byte of a request to its answer, if
///   stored postern_ingest_late_commits_total                   committed after the sender had been told 503
///   postern_ingest_audit_left_out_total                 refusals without an audit entry of their own
/// All series exist from the start. Safe from any thread; the registry outlives it.
class IngestMetrics {
 public:
  explicit IngestMetrics(prometheus::Registry& registry);

  /// Null for a source whose provider has no row (any more): labelled "none".
  void count(const Provider* provider, IngestResult result);
  void observe(Duration took) { seconds_.Observe(static_cast<double>(took.count()) / 1e6); }

  prometheus::Counter& unknown;
  prometheus::Counter& method_refused;
  prometheus::Counter& late_commits;
  prometheus::Counter& audit_left_out;

 private:
  std::vector<std::array<prometheus::Counter*, kIngestResults>>
      requests_;  ///< by row of providers(), and one for none
  prometheus::Histogram& seconds_;
};

}  // namespace postern::relay
