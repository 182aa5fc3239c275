#include "agent/inspector/api.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include <algorithm>

#include "agent/inspector/page_files.hpp"
#include "agent/inspector/record_json.hpp"
#include "base/bytes.hpp"

namespace postern::agent::inspector {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::string_view kList = "/api/deliveries";
constexpr std::uint64_t kLongestWait = 30;  // seconds
constexpr std::size_t kResendsAtOnce = 4;
constexpr std::size_t kBodyLimit = 1024;  // nothing here reads one

enum class Action { file, list, detail, resend };
struct Route {
  Action action;
  std::uint64_t number = 0;
  const PageFile* file = nullptr;
  std::string_view method() const { return action == Action::resend ? "POST" : "GET"; }
};

std::optional<Route> route_of(std::string_view path) {
  for (const PageFile& file : page_files())
    if (file.path == path) return Route{Action::file, 0, &file};
  if (path == kList) return Route{Action::list};
  if (!path.starts_with(kList) || path.size() <= kList.size() || path[kList.size()] != '/') return {};
  path.remove_prefix(kList.size() + 1);
  constexpr std::string_view kResend = "/resend";
  const bool again = path.ends_with(kResend);
  if (again) path.remove_suffix(kResend.size());
  const auto number = parse_u64(path);
  if (!number) return std::nullopt;
  return Route{again ? Action::resend : Action::detail, *number};
}

/// The number that the query says; `otherwise` when it says none.
std::optional<std::uint64_t> number_in(std::string_view query, std::string_view name,
                                       std::uint64_t otherwise) {
  const auto values = http::query_values(query, name);
  return values.empty() ? otherwise : parse_u64(values.front());
}

http::Response json_response(const json::value& value) {
  return make_response(200, "application/json", json::serialize(value) + "\n");
}

http::Response not_kept(std::uint64_t number) {
  return error_response(404, "not_kept", fmt::format("There is no delivery {} here (any more).", number));
}

/// Why it cannot be sent again as it was.
std::optional<http::Response> unfit(const Record& record) {
  if (!record.request_body) {
    return error_response(
        409, "body_not_read",
        "The agent has not read the body of this one, so it cannot send it again. Replay the "
        "event on the relay.");
  }
  if (record.request_body->is_whole()) return std::nullopt;
  return error_response(409, "body_cut",
                        fmt::format("Of the body's {} bytes {} are kept here. Replay the event on the relay.",
                                    record.request_body->size, record.request_body->bytes.size()));
}

/// A place among those who send again, given back at the end. The count outlives the Api: a frame may, too.
class Place {
 public:
  explicit Place(std::shared_ptr<std::size_t> count) : count_(std::move(count)) { ++*count_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { --*count_; }

 private:
  std::shared_ptr<std::size_t> count_;
};

}  // namespace

Api::Api(asio::any_io_executor executor, std::shared_ptr<Recorder> recorder, Guard guard, Resend resend)
    : executor_(std::move(executor)),
      recorder_(std::move(recorder)),
      guard_(std::move(guard)),
      resend_(std::move(resend)) {
  recorder_->on_change([this] { wake(); });
}

Api::~Api() {
  recorder_->on_change({});
}

http::HeadDecision Api::on_head(const http::Request& head) {
  if (auto refusal = guard_.refusal(head)) return std::move(*refusal);
  const auto route = route_of(head.path());
  if (!route) return error_response(404, "not_found", "There is nothing here.");
  if (head.method == route->method()) return http::ReadBody{kBodyLimit};
  auto wrong = error_response(405, "method_not_allowed", fmt::format("Only {}.", route->method()));
  wrong.headers.push_back({"Allow", std::string(route->method())});
  return wrong;
}

asio::awaitable<http::Response> Api::on_request(http::Request request) {
  const auto route = route_of(request.path());
  if (!route) co_return error_response(404, "not_found", "There is nothing here.");
  switch (route->action) {
    case Action::file:
      co_return make_response(200, route->file->content_type, std::string(route->file->text));
    case Action::detail:
      co_return detail(route->number);
    case Action::resend:
      co_return co_await resend(route->number);
    case Action::list:
      break;
  }
  const auto after = number_in(request.query(), "after", 0);
  const auto wait = number_in(request.query(), "wait", 0);
  if (!after || !wait)
    co_return error_response(400, "bad_query", "after is a revision, and wait is in whole seconds.");
  co_return co_await list(*after, std::chrono::seconds(std::min(*wait, kLongestWait)));
}

asio::awaitable<http::Response> Api::list(std::uint64_t after, Duration wait) {
  if (recorder_->revision() <= after && wait > Duration(0)) {
    auto timer = std::make_shared<Timer>(executor_, wait);
    std::erase_if(waiting_, [](const auto& waiter) { return waiter.expired(); });
    waiting_.push_back(timer);
    [[maybe_unused]] const auto woken = co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return json_response(list_json(*recorder_, after));
}

void Api::wake() {
  for (const auto& waiter : std::exchange(waiting_, {}))
    if (const auto timer = waiter.lock()) timer->cancel();
}

http::Response Api::detail(std::uint64_t number) const {
  const Record* record = recorder_->find(number);
  return record ? json_response(detail_json(*record, recorder_->records())) : not_kept(number);
}

/// The same bytes, and one header that says so. Postern-Delivery-Id stays: whether it has seen a delivery
/// before is the app's to judge, and a person who tries that out wants to see it.
asio::awaitable<http::Response> Api::resend(std::uint64_t number) {
  const Record* record = recorder_->find(number);
  if (!record) co_return not_kept(number);
  if (auto why = unfit(*record)) co_return std::move(*why);
  if (*resending_ >= kResendsAtOnce)
    co_return error_response(429, "too_many_resends",
                             "Others are being sent again. Wait for one of them to end.");
  const Place place(resending_);
  const std::uint64_t original = record->resend_of.value_or(number);
  auto body = std::make_shared<const std::string>(record->request_body->bytes);
  tunnel::DeliverHead head = record->request;
  std::erase_if(head.headers,
                [](const auto& header) { return ascii_iequals(header.name, "Postern-Resend"); });
  head.headers.push_back({"Postern-Resend", std::to_string(recorder_->count_resend(number))});
  Recording recording(recorder_, head, original);
  recording.body(*body);
  const std::uint64_t made = recording.number();
  const Answer answer = co_await resend_(std::move(head), std::move(body));
  recording.ended(answer.head, answer.body);
  co_return detail(made);
}

}  // namespace postern::agent::inspector
