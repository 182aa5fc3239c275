#include "control/cli/api_client.hpp"

#include <boost/asio/io_context.hpp>

#include "base/config.hpp"
#include "base/http/client.hpp"
#include "control/cli/exit_codes.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr Duration kLimit = std::chrono::seconds(30);
constexpr std::size_t kBodyMost = 80 * 1024 * 1024;
constexpr std::size_t kNamesMost = 10'000;

using Exchange = std::expected<http::ClientResponse, http::ClientError>;

asio::awaitable<void> exchange(http::Client& client, http::Origin origin, http::ClientRequest request,
                               std::optional<Exchange>& out) {
  out = co_await client.send(std::move(origin), std::move(request), kLimit);
}

std::string_view text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

std::string advice(int status) {
  switch (status) {
    case 401:
      return "Check --key, POSTERN_KEY, or admin.key of the data directory.";
    case 429:
      return "Wait a few seconds, then try with the right key.";
    case 503:
      return "The relay is busy or stopping; try again in a moment.";
    default:
      return "";
  }
}

CommandError refusal(const http::ClientResponse& response) {
  json::error_code ec;
  const json::value body = json::parse(response.body, ec);
  CommandError error{response.status == 404   ? kExitNotFound
                     : response.status == 401 ? kExitUnreachable
                                              : kExitFailed,
                     fmt::format("the relay answered {}", response.status)};
  if (!ec && body.is_object()) {
    error.message = text_of(body.get_object(), "detail");
    const json::value* errors = body.get_object().if_contains("errors");
    if (errors && errors->is_array() && errors->get_array().size() > 1) {
      for (const json::value& each : errors->get_array()) {
        error.message += fmt::format("\n  {}: {}", text_of(each.as_object(), "field"),
                                     text_of(each.as_object(), "message"));
      }
    }
  }
  const std::string next = advice(response.status);
  if (!next.empty()) error.message += "\n" + next;
  return error;
}

class HttpApiClient final : public ApiClient {
 public:
  explicit HttpApiClient(Connection connection) : connection_(std::move(connection)), client_(options()) {}

  Outcome<json::value> call(std::string method, std::string path, const json::value* body) override {
    const auto response = send(std::move(method), std::move(path), body);
    if (!response) return std::unexpected(response.error());
    if (response->body.empty()) return json::value(nullptr);
    json::error_code ec;
    json::value parsed = json::parse(response->body, ec);
    if (ec)
      return std::unexpected(
          CommandError{kExitUnreachable, connection_.url + " does not answer like a Postern relay."});
    return parsed;
  }

  Outcome<std::string> bytes(std::string path) override {
    auto response = send("GET", std::move(path), nullptr);
    if (!response) return std::unexpected(response.error());
    return std::move(response->body);
  }

 private:
  static http::ClientOptions options() {
    http::ClientOptions options;
    options.body_limit = kBodyMost;
    return options;
  }

  Outcome<http::ClientResponse> send(std::string method, std::string path, const json::value* body) {
    const auto url = http::parse_url(fmt::format("{}/api/v1/{}", connection_.url, path));
    if (!url) return std::unexpected(CommandError{kExitUsage, connection_.url + ": " + url.error().message});
    http::ClientRequest request{
        .method = std::move(method), .target = url->target, .headers = headers(), .body = {}};
    if (body) {
      request.headers.push_back({"Content-Type", "application/json"});
      request.body = std::make_shared<const std::string>(json::serialize(*body));
    }
    std::optional<Exchange> done;
    context_.restart();
    asio::co_spawn(context_, exchange(client_, url->origin, std::move(request), done),
                   [](std::exception_ptr fault) {
                     if (fault) std::rethrow_exception(fault);
                   });
    while (!done && context_.run_one() > 0) {
    }
    if (!done || !*done)
      return std::unexpected(unreachable(done ? (*done).error().error.message : "no answer"));
    if ((*done)->status >= 300) return std::unexpected(refusal(**done));
    return std::move(**done);
  }

  http::Headers headers() const {
    return {{"Authorization", "Bearer " + connection_.key},
            {"Accept", "application/json"},
            {"User-Agent", "postern/" POSTERN_VERSION}};
  }

  CommandError unreachable(std::string_view why) const {
    return {kExitUnreachable,
            fmt::format("{} does not answer: {}\nIs the relay running? Its admin address is the last "
                        "part of the line that `postern serve` prints when it is ready.",
                        connection_.url, why)};
  }

  Connection connection_;
  asio::io_context context_{1};
  http::Client client_;
};

std::string_view prefix_of(std::string_view kind) {
  constexpr std::pair<std::string_view, std::string_view> kPrefixes[] = {
      {"sources", "src_"}, {"destinations", "dst_"}, {"routes", "rte_"}, {"agents", "agt_"},
      {"events", "evt_"},  {"deliveries", "dlv_"},   {"replays", "rpl_"}};
  for (const auto& [name, prefix] : kPrefixes) {
    if (name == kind) return prefix;
  }
  return "?";
}

}  // namespace

std::unique_ptr<ApiClient> http_api_client(Connection connection) {
  return std::make_unique<HttpApiClient>(std::move(connection));
}

Outcome<json::array> all_items(ApiClient& api, std::string path, std::size_t most) {
  json::array items;
  std::string cursor;
  const char mark = path.find('?') == path.npos ? '?' : '&';
  while (items.size() < most) {
    const std::size_t limit = std::min<std::size_t>(most - items.size(), 500);
    std::string page = fmt::format("{}{}limit={}", path, mark, limit);
    if (!cursor.empty()) page += "&cursor=" + http::percent_encode(cursor);
    auto answer = api.get(std::move(page));
    if (!answer) return std::unexpected(answer.error());
    const json::object& listing = answer->as_object();
    for (const json::value& item : listing.at("items").as_array()) items.push_back(item);
    cursor = text_of(listing, "next_cursor");
    if (cursor.empty()) break;
  }
  return items;
}

Outcome<std::string> find_id(ApiClient& api, std::string_view kind, std::string_view name_or_id) {
  if (name_or_id.starts_with(prefix_of(kind))) return std::string(name_or_id);
  auto items = all_items(api, std::string(kind), kNamesMost);
  if (!items) return std::unexpected(items.error());
  std::vector<std::string_view> names;
  for (const json::value& item : *items) {
    const std::string_view name = text_of(item.as_object(), "name");
    if (name == name_or_id) return std::string(text_of(item.as_object(), "id"));
    if (!name.empty()) names.push_back(name);
  }
  const auto near = config::nearest(name_or_id, names);
  std::string message = fmt::format("there is no {} called {}", kind.substr(0, kind.size() - 1), name_or_id);
  message += near.empty() ? fmt::format("; postern {} list shows what there is.", kind)
                          : fmt::format("; did you mean {}?", near);
  return std::unexpected(CommandError{kExitNotFound, std::move(message)});
}

}  // namespace postern::control
