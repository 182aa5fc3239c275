#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/names.hpp"
#include "control/api/query.hpp"
#include "control/api/views.hpp"
#include "relay/providers/source_rules.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::Source;
using relay::SourceRepository;
using relay::Transaction;

constexpr std::int64_t kBodyLimitMost = 64 * 1024 * 1024;
constexpr Duration kDedupeMost = std::chrono::days(30);

/// Everything a create and a patch have in common.
void read_fields(Fields& fields, Source& source) {
  if (auto name = fields.text("name", kSlugLength)) {
    if (!is_slug(*name)) fields.wrong("name", std::string(kSlugRule));
    source.name = std::move(*name);
  }
  if (auto secrets = fields.texts("secrets", relay::kSecretsMax, relay::kSecretBytesMax))
    source.secrets = std::move(*secrets);
  if (const auto flag = fields.boolean("unsigned")) source.unsigned_ok = *flag;
  if (const auto flag = fields.boolean("enabled")) source.enabled = *flag;
  if (const auto bytes = fields.integer("body_limit_bytes", 1, kBodyLimitMost)) {
    source.body_limit_bytes = static_cast<std::uint64_t>(*bytes);
  }
  if (const auto window = fields.duration("dedupe_window", std::chrono::seconds(0), kDedupeMost)) {
    source.dedupe_window = *window;
  }
  if (const auto rate = fields.rate("rate_limit")) {
    source.rate_per_second = rate->per_second;
    source.rate_burst = rate->burst;
  }
  if (const json::object* scheme = fields.object("scheme")) source.scheme_json = json::serialize(*scheme);
}

std::optional<Problem> check(Fields& fields, const Source& source) {
  if (auto problem = fields.finish()) return problem;
  const auto valid = relay::validate_source(source);
  if (valid) return std::nullopt;
  Problem problem{422, valid.error().code, valid.error().message};
  return problem;
}

Written written(int status, std::string_view action, const Source& source, const ApiServices& services) {
  json::object detail{{"name", source.name},
                      {"provider", source.provider},
                      {"unsigned", source.unsigned_ok},
                      {"enabled", source.enabled}};
  return {status, view(source, services), {std::string(action), source.id.to_string(), std::move(detail)}};
}

}  // namespace

asio::awaitable<Reply> list_sources(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page<SourceId>();
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, page, who = call.who](Transaction& tx) -> Reply {
    const auto found = SourceRepository(tx, services.keyring).list(who.workspace_id, page);
    return json_response(200, listing(found, [&](const Source& source) { return view(source, services); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> create_source(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Source source;
  source.id = services.ids.of<SourceId>();
  source.workspace_id = call.who.workspace_id;
  source.created_at = source.updated_at = services.clock.now();
  Fields fields(*body);
  fields.require("name");
  fields.require("provider");
  if (auto provider = fields.text("provider", 64)) source.provider = std::move(*provider);
  read_fields(fields, source);
  if (auto problem = check(fields, source)) co_return std::unexpected(std::move(*problem));
  auto job = [&services, source](Transaction& tx) -> std::expected<Written, Problem> {
    const auto created = SourceRepository(tx, services.keyring).create(source);
    if (!created) return std::unexpected(problem_from(created.error()));
    return written(201, "source.created", source, services);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> get_source(const ApiServices& services, Call call) {
  const auto id = call.id<SourceId>("source");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> Reply {
    const auto source = SourceRepository(tx, services.keyring).get(who.workspace_id, id);
    if (!source) return std::unexpected(problem_from(source.error()));
    return json_response(200, view(*source, services));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> patch_source(const ApiServices& services, Call call) {
  const auto id = call.id<SourceId>("source");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  auto job = [&services, id = *id, who = call.who,
              patch = *body](Transaction& tx) -> std::expected<Written, Problem> {
    SourceRepository sources(tx, services.keyring);
    auto source = sources.get(who.workspace_id, id);
    if (!source) return std::unexpected(problem_from(source.error()));
    Fields fields(patch);
    if (fields.has("provider")) fields.wrong("provider", "cannot be changed: make a new source.");
    read_fields(fields, *source);
    if (auto problem = check(fields, *source)) return std::unexpected(std::move(*problem));
    source->updated_at = services.clock.now();
    const auto updated = sources.update(*source);
    if (!updated) return std::unexpected(problem_from(updated.error()));
    return written(200, "source.updated", *source, services);
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> delete_source(const ApiServices& services, Call call) {
  const auto id = call.id<SourceId>("source");
  if (!id) co_return std::unexpected(id.error());
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    const auto removed = SourceRepository(tx, services.keyring).remove(who.workspace_id, id);
    if (!removed) return std::unexpected(problem_from(removed.error()));
    return Written{204, nullptr, {"source.deleted", id.to_string()}};
  };
  co_return co_await write(services, call, std::move(job));
}

}  // namespace postern::control
