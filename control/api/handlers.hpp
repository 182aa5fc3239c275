#pragma once
#include "control/api/call.hpp"

/// The functions behind the route table. Each owns its Call; the services outlive it. What they take and
/// answer is in openapi.yaml.
namespace postern::control {

// sources.cpp
boost::asio::awaitable<Reply> list_sources(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> create_source(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_source(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> patch_source(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> delete_source(const ApiServices& services, Call call);

// workspace.cpp
boost::asio::awaitable<Reply> get_workspace(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> patch_workspace(const ApiServices& services, Call call);

// activity.cpp
boost::asio::awaitable<Reply> get_source_activity(const ApiServices& services, Call call);

// destinations.cpp
boost::asio::awaitable<Reply> list_destinations(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> create_destination(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_destination(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> patch_destination(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> delete_destination(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> reset_breaker(const ApiServices& services, Call call);

// routes.cpp
boost::asio::awaitable<Reply> list_routes(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> create_route(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_route(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> patch_route(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> delete_route(const ApiServices& services, Call call);

// route_test.cpp
boost::asio::awaitable<Reply> test_route(const ApiServices& services, Call call);

// agents.cpp
boost::asio::awaitable<Reply> list_agents(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> create_agent(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_agent(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> patch_agent(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> delete_agent(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> enroll_agent(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> rotate_agent(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> clear_agent_copy(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> revoke_agent(const ApiServices& services, Call call);

// events.cpp
boost::asio::awaitable<Reply> list_events(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_event(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_event_body(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> replay_event(const ApiServices& services, Call call);

// deliveries.cpp
boost::asio::awaitable<Reply> list_deliveries(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_delivery(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> retry_delivery(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> summarize_deliveries(const ApiServices& services, Call call);

// replays.cpp
boost::asio::awaitable<Reply> list_replays(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> create_replay(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> get_replay(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> cancel_replay(const ApiServices& services, Call call);

// retention.cpp
boost::asio::awaitable<Reply> get_retention(const ApiServices& services, Call call);
boost::asio::awaitable<Reply> patch_retention(const ApiServices& services, Call call);

// audit.cpp
boost::asio::awaitable<Reply> list_audit(const ApiServices& services, Call call);

}  // namespace postern::control
