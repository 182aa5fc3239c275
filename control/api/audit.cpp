#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "control/api/views.hpp"

namespace postern::control {

boost::asio::awaitable<Reply> list_audit(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page<AuditId>();
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [page, who = call.who](relay::Transaction& tx) -> Reply {
    const auto found = relay::AuditRepository(tx).list(who.workspace_id, page);
    return json_response(200, listing(found, [](const relay::AuditEntry& entry) { return view(entry); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

}  // namespace postern::control
