#include "api_fixture.hpp"

#include <cstdlib>

namespace postern::control {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> answer(AdminHandler& handler, http::Request request,
                             std::optional<http::Response>& out) {
  out = co_await handler.on_request(std::move(request));
}

asio::awaitable<void> load(CatalogReloader& reloader) {
  auto done = co_await reloader.reload();
  EXPECT_TRUE(done);
}

}  // namespace

boost::json::object parsed(const http::Response& response) {
  return boost::json::parse(response.body).as_object();
}

std::string code_of(const http::Response& response) {
  return std::string(parsed(response).at("code").as_string());
}

ApiFixture::ApiFixture() {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-api-XXXXXX").string();
  directory = ::mkdtemp(pattern.data());
  open_store();
  reloader =
      std::make_unique<CatalogReloader>(loop.get_executor(), *store->database, store->keyring, catalog);
  asio::co_spawn(loop, load(*reloader), [](std::exception_ptr fault) {
    if (fault) std::rethrow_exception(fault);
  });
  loop.run();
  relay::ProgramPoolOptions options;
  options.workers = 1;
  options.evaluator.command.path = POSTERN_ROUTE_WORKER;
  programs = std::make_unique<relay::ProgramPool>(std::move(options), metrics);
  services = std::make_unique<ApiServices>(ApiServices{*store->database, store->keyring, catalog, *reloader,
                                                       agents, deliveries, ids, clock, random, addresses,
                                                       egress, *programs, activity});
  services->shedding = &shedding;
  handler = std::make_unique<AdminHandler>(*services, *keys, health,
                                           std::vector<const prometheus::Collectable*>{&metrics});
}

ApiFixture::~ApiFixture() {
  handler.reset();
  store.reset();
  std::error_code ec;
  std::filesystem::remove_all(directory, ec);
}

void ApiFixture::open_store() {
  relay::StoreOptions options;
  options.data_dir = directory / "data";
  options.sqlite.writer.low_water = {1, 0};
  auto opened = relay::open_store(options, clock, random, ids);
  if (!opened) throw std::runtime_error(opened.error().message);
  store = std::move(*opened);
  other_workspace = ids.of<WorkspaceId>();
  auto made = relay::write_and_wait(*store->database, [&](relay::Transaction& tx) -> Result<void> {
    relay::WorkspaceRepository workspaces(tx);
    auto created = workspaces.create({other_workspace, "other", clock.now()}, store->keyring);
    if (!created) return created;
    return workspaces.load_data_keys(store->keyring);
  });
  if (!made) throw std::runtime_error(made.error().message);
  key = add_key(store->default_workspace.id);
  other_key = add_key(other_workspace);
  std::vector<relay::ApiKey> all;
  EXPECT_TRUE(relay::read_and_wait(*store->database,
                                   [&](relay::Transaction& tx) { all = relay::ApiKeyRepository(tx).all(); }));
  keys = std::make_unique<ApiKeys>(all);
}

std::string ApiFixture::add_key(WorkspaceId workspace) {
  const KeyId id = ids.of<KeyId>();
  const std::string text = make_api_key(id, random);
  const relay::ApiKey row{.id = id,
                          .workspace_id = workspace,
                          .name = "test",
                          .secret_digest = api_key_digest(text),
                          .created_at = clock.now()};
  EXPECT_TRUE(relay::write_and_wait(
      *store->database, [row](relay::Transaction& tx) { return relay::ApiKeyRepository(tx).create(row); }));
  return text;
}

http::Response ApiFixture::run(http::Request request) {
  http::Request head = request;
  head.body.clear();
  auto decision = handler->on_head(head);
  if (auto* early = std::get_if<http::Response>(&decision)) return std::move(*early);
  if (request.body.size() > std::get<http::ReadBody>(decision).limit_bytes)
    return {.status = 413, .headers = {}, .body = {}};
  std::optional<http::Response> out;
  asio::co_spawn(loop, answer(*handler, std::move(request), out), [](std::exception_ptr fault) {
    if (fault) std::rethrow_exception(fault);
  });
  loop.restart();
  loop.run();
  return std::move(out.value());
}

http::Response ApiFixture::call_as(const std::string& as, std::string method, std::string target,
                                   std::string body, http::Headers headers) {
  headers.push_back({"Authorization", "Bearer " + as});
  return run({std::move(method), std::move(target), std::move(headers), std::move(body), "192.0.2.9:1000"});
}

http::Response ApiFixture::call(std::string method, std::string target, std::string body,
                                http::Headers headers) {
  return call_as(key, std::move(method), std::move(target), std::move(body), std::move(headers));
}

http::Response ApiFixture::call_openly(std::string method, std::string target, std::string peer) {
  return run({std::move(method), std::move(target), {}, "", std::move(peer)});
}

boost::json::object ApiFixture::ok(std::string method, std::string target, std::string body) {
  const auto response = call(std::move(method), target, std::move(body));
  EXPECT_LT(response.status, 300) << target << ": " << response.body;
  return response.body.empty() ? boost::json::object() : parsed(response);
}

boost::json::object ApiFixture::make_source(const std::string& name) {
  return ok("POST", "/api/v1/sources",
            R"({"name":")" + name + R"(","provider":"github","secrets":["a secret of some length"]})");
}

boost::json::object ApiFixture::make_destination(const std::string& name) {
  return ok("POST", "/api/v1/destinations",
            R"({"name":")" + name + R"(","kind":"http","url":"https://example.com/hooks"})");
}

std::string ApiFixture::store_event(const std::string& source_id, const std::string& destination_id,
                                    std::string body) {
  auto event = std::make_shared<relay::Event>();
  event->id = ids.of<EventId>();
  event->workspace_id = store->default_workspace.id;
  event->source_id = SourceId::parse(source_id).value();
  event->type = "push";
  event->dedupe_key = event->id.to_string();
  event->verified = true;
  event->method = "POST";
  event->target = "/in/default/x";
  event->headers = {{"Content-Type", "text/html"}, {"X-Odd", "caf\xe9"}};
  event->body = std::move(body);
  event->received_at = clock.now();
  relay::NewEvent append{
      event, {{ids.of<DeliveryId>(), DestinationId::parse(destination_id).value()}}, std::chrono::hours(1)};
  bool stored = false;
  store->event_log->append(std::move(append), loop.get_executor(),
                           [&](Result<relay::Appended> done) { stored = done.has_value(); });
  while (!stored) {
    loop.restart();
    loop.run_for(std::chrono::milliseconds(5));
  }
  return event->id.to_string();
}

}  // namespace postern::control
