#include "relay/destinations/outbound.hpp"

#include "relay/destinations/request_headers.hpp"

namespace postern::relay {
namespace {

std::string_view query_of(std::string_view target) {
  const auto mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

}  // namespace

Result<Outbound> build_outbound(const AttemptJob& job, std::string_view url_target, Time now) {
  const std::shared_ptr<const Event>& event = job.leased.event;
  const OutboundRequest request{
      *event, job.leased.delivery.id,  job.leased.tries + 1, job.destination->signing_secret,
      now,    job.leased.payload.get()};
  auto headers = build_request_headers(request);
  if (!headers) return std::unexpected(headers.error());
  Outbound out;
  out.method = event->method;
  out.target = outbound_target(url_target, query_of(event->target));
  out.headers = std::move(*headers);
  if (const auto& payload = job.leased.payload) {
    out.body = std::shared_ptr<const std::string>(payload, &payload->body);
    return out;
  }
  const bool bodiless = event->body.empty() && (event->method == "GET" || event->method == "HEAD");
  if (!bodiless) out.body = std::shared_ptr<const std::string>(event, &event->body);
  return out;
}

}  // namespace postern::relay
