#include "tests/simulation/relay_process.hpp"

#include <fmt/format.h>

#include "relay/destinations/attempt_record.hpp"

namespace postern::simulation {

using relay::DeliveryState;
using tunnel::ResultOutcome;

namespace {

constexpr Duration kTimeout = std::chrono::seconds(10);
constexpr Duration kLookEvery = std::chrono::milliseconds(20);

}  // namespace

bool SimulatedStore::all_over() const {
  return std::ranges::all_of(rows, [](const auto& entry) { return relay::is_terminal(entry.second.state); });
}

RelayProcess::RelayProcess(Scheduler& scheduler, Machine& machine, SimulatedStore& store, Witness& witness)
    : scheduler_(scheduler), machine_(machine), store_(store), witness_(witness) {
  destination_.timeout = kTimeout;
  destination_.retry_schedule.assign(60, std::chrono::milliseconds(100));
  destination_.retry_schedule.front() = Duration(0);
}

void RelayProcess::later(Duration wait, std::function<void()> what) {
  machine_.after(wait, [self = shared_from_this(), what = std::move(what)] {
    if (!self->dead_) what();
  });
}

void RelayProcess::start() {
  for (auto& [id, row] : store_.rows) {
    if (row.state != DeliveryState::leased) continue;
    row.state = DeliveryState::pending;
    row.next_at = scheduler_.now();
    ++row.lease;
  }
  look();
}

void RelayProcess::die() {
  dead_ = true;
  if (connection_) connection_->drop();
}

/// Fences whatever session there was: the newest counts.
void RelayProcess::connected(const std::shared_ptr<Connection>& connection,
                             const std::shared_ptr<Link>& link) {
  if (connection_ && !connection_->ended()) {
    connection_->session().close("replaced", "a newer session has taken over");
    connection_->turn();
  }
  attempts_.clear();
  connection_ = connection;
  connection->open(link,
                   [weak = weak_from_this(), raw = connection.get()](const tunnel::SessionEvent& event) {
                     const auto self = weak.lock();
                     if (self && !self->dead_ && self->connection_.get() == raw) self->on_event(event);
                   });
  for (auto& [id, row] : store_.rows) {
    if (row.state == DeliveryState::parked) row.state = DeliveryState::pending;
  }
}

void RelayProcess::look() {
  const bool present = connection_ && !connection_->ended();
  for (auto& [id, row] : store_.rows) {
    // Parked when the agent was back already: the sweep of the dispatcher.
    if (present && row.state == DeliveryState::parked) row.state = DeliveryState::pending;
    if (row.state != DeliveryState::pending || row.next_at > scheduler_.now()) continue;
    if (!present)
      row.state = DeliveryState::parked;
    else if (!begin(row))
      break;
  }
  if (present) connection_->turn();
  later(kLookEvery, [this] { look(); });
}

/// False without credit.
bool RelayProcess::begin(Row& row) {
  if (connection_->session().credit() == 0) return false;
  tunnel::DeliverHead head;
  head.delivery_id = row.id;
  head.attempt = row.tries + 1;
  head.answered = row.answered;
  head.deadline = relay::deadline_for_agent(kTimeout);
  head.host = "app";
  head.port = 80;
  head.method = "POST";
  auto body = std::make_shared<const std::string>(row.body_size, 'b');
  const auto stream =
      connection_->session().open(*tunnel::encode(head, body->size()), std::move(body), row.body_size % 3);
  if (!stream) return false;
  row.state = DeliveryState::leased;
  attempts_[*stream] = {row.id, ++row.lease, row.tries + 1, std::nullopt, {}};
  later(kTimeout, [this, connection = connection_, stream = *stream] { deadline(connection, stream); });
  return true;
}

void RelayProcess::deadline(const std::shared_ptr<Connection>& connection, tunnel::StreamId stream) {
  if (connection != connection_ || !attempts_.contains(stream)) return;
  const bool unsent = connection_->session().reset(stream, tunnel::ResetCode::cancelled);
  ended(stream, unsent ? ResultOutcome::not_sent : ResultOutcome::maybe_sent, "cancelled");
  connection_->turn();
}

void RelayProcess::on_event(const tunnel::SessionEvent& event) {
  using Kind = tunnel::SessionEvent::Kind;
  if (event.kind == Kind::answered && attempts_.contains(event.stream)) {
    auto head = tunnel::decode_result(event.text);
    if (!head) throw Violation("an answer that nobody can read");
    attempts_.at(event.stream).head = std::move(*head);
  }
  if (event.kind == Kind::readable) on_readable(event.stream);
  if (event.kind == Kind::broken) on_broken(event);
}

void RelayProcess::on_readable(tunnel::StreamId stream) {
  const auto piece = connection_->session().read(stream, machine_.now());
  const auto found = attempts_.find(stream);
  if (!piece || found == attempts_.end()) return;
  found->second.body += piece->bytes;
  if (!piece->end) return;
  const Attempt attempt = std::move(found->second);
  attempts_.erase(found);
  conclude(attempt, {*attempt.head, attempt.body, true});
}

void RelayProcess::on_broken(const tunnel::SessionEvent& event) {
  if (event.broken == tunnel::SessionEvent::Broken::by_peer)
    throw Violation("an agent that gives nothing up gave up a stream");
  const bool lost = event.broken == tunnel::SessionEvent::Broken::lost;
  ended(event.stream, lost ? ResultOutcome::maybe_sent : ResultOutcome::not_sent,
        std::string(tunnel::kConnectionLost));
}

void RelayProcess::ended(tunnel::StreamId stream, ResultOutcome outcome, std::string code) {
  const auto found = attempts_.find(stream);
  if (found == attempts_.end()) return;
  const Attempt attempt = std::move(found->second);
  attempts_.erase(found);
  tunnel::DeliveryAnswer answer;
  answer.head.outcome = outcome;
  answer.head.error_code = std::move(code);
  conclude(attempt, std::move(answer));
}

void RelayProcess::conclude(const Attempt& attempt, tunnel::DeliveryAnswer answer) {
  relay::AttemptResult result;
  result.attempt.number = attempt.number;
  relay::AgentAnswer told = relay::to_answer(std::move(answer), {.leaving = false, .journal = true});
  const bool kept = told.kept;
  record_agent_answer(result, std::move(told), destination_, scheduler_.wall());
  later(scheduler_.between(0, scheduler_.chance(5) ? 500 : 10),
        [this, attempt, result, kept] { commit(attempt, result, kept); });
}

void RelayProcess::commit(const Attempt& attempt, const relay::AttemptResult& result, bool kept) {
  Row& row = store_.rows.at(attempt.id);
  if (row.state != DeliveryState::leased || row.lease != attempt.lease) return;
  const Time now = scheduler_.wall();
  const relay::Verdict verdict =
      judge({destination_, row.attempt_count, row.tries, now}, result, scheduler_.random());
  const int status = result.attempt.response_status;
  if (status != 0) witness_.committed(row.id, attempt.number, status, result.attempt.response_body);
  row.state = verdict.next;
  row.reason = verdict.reason;
  row.attempt_count += result.attempt.counted ? 1 : 0;
  row.tries = std::max(row.tries, attempt.number);
  if (status != 0) row.answered = std::max(row.answered, attempt.number);
  row.next_at = scheduler_.now() + std::max(Duration(0), verdict.next_at - now);
  if (!kept || !connection_ || connection_->ended()) return;
  connection_->session().acknowledge({row.id, attempt.number});
  connection_->turn();
}

}  // namespace postern::simulation
