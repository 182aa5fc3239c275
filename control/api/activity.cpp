#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "relay/limits/shared_activity.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::RecentActivity;
using relay::SharedActivity;

/// Resumes on the caller's loop; the answer may come from Redis' thread.
asio::awaitable<RecentActivity> ask(SharedActivity& activity, SourceId source, std::int64_t minutes) {
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [&activity, source, minutes, executor](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto guarded = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    activity.recent(source, minutes, [shared, guarded](RecentActivity found) {
      asio::post(guarded, [shared, found = std::move(found)]() mutable { (*shared)(std::move(found)); });
    });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(RecentActivity)>(
      std::move(initiate), asio::use_awaitable);
}

json::object view(const RecentActivity& recent) {
  json::array minutes;
  for (const relay::ActivityMinute& minute : recent.minutes) {
    const Time at{std::chrono::minutes(minute.minute)};
    minutes.push_back({{"at", to_rfc3339(at)}, {"accepted", minute.accepted}, {"refused", minute.refused}});
  }
  return {{"of_all_nodes", recent.of_all_nodes}, {"minutes", std::move(minutes)}};
}

}  // namespace

asio::awaitable<Reply> get_source_activity(const ApiServices& services, Call call) {
  const auto id = call.id<SourceId>("source");
  if (!id) co_return std::unexpected(id.error());
  Query query(call.request.query());
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, id = *id, who = call.who](relay::Transaction& tx) -> Reply {
    const auto source = relay::SourceRepository(tx, services.keyring).get(who.workspace_id, id);
    if (!source) return std::unexpected(problem_from(source.error()));
    return http::Response{};
  };
  auto there = co_await read(services, call.who, std::move(job));
  if (!there) co_return std::unexpected(std::move(there.error()));
  const auto recent = co_await ask(services.activity, *id, SharedActivity::kMinutes);
  co_return json_response(200, view(recent));
}

}  // namespace postern::control
