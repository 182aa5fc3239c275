#include "tests/simulation/agent_process.hpp"

namespace postern::simulation {
namespace {

std::unique_ptr<agent::ResultKeeper> open_results(SimulatedDisk& disk) {
  agent::Journal journal({});
  auto file = disk.open();
  if (disk.content().empty()) {
    file->append(std::string(agent::kJournalMagic));
    return std::make_unique<agent::ResultKeeper>(std::move(journal), std::move(file),
                                                 agent::kJournalMagic.size());
  }
  const std::size_t good = journal.load(disk.content()).value_or(0);
  if (good < disk.content().size()) file->replace(journal.rewritten());
  return std::make_unique<agent::ResultKeeper>(std::move(journal), std::move(file), good);
}

tunnel::ResultHead without_answer(tunnel::ResultOutcome outcome, std::string code) {
  tunnel::ResultHead head;
  head.outcome = outcome;
  head.error_code = std::move(code);
  return head;
}

}  // namespace

void AgentStream::respond(const tunnel::ResultHead& head, std::string body) {
  if (std::exchange(over_, true)) return;
  const auto connection = connection_.lock();
  if (!connection || connection->ended()) return;
  connection->session().answer(id_, *tunnel::encode(head),
                               std::make_shared<const std::string>(std::move(body)));
  connection->turn();
}

bool AgentStream::read(SteadyTime now) {
  const auto connection = connection_.lock();
  if (over_ || whole_ || !connection) return whole_;
  const auto piece = connection->session().read(id_, now);
  if (piece) read_ += piece->bytes.size();
  whole_ = piece && piece->end;
  if (whole_ && read_ != head_.body_size)
    throw Violation("a request arrived with another size than it was sent with");
  connection->turn();
  return whole_;
}

AgentProcess::AgentProcess(Scheduler& scheduler, Machine& machine, SimulatedDisk& disk, Witness& witness,
                           const tunnel::SessionLimits& limits)
    : scheduler_(scheduler),
      machine_(machine),
      witness_(witness),
      results_(open_results(disk)),
      calls_(*results_, 2 * limits.max_deliveries) {}

void AgentProcess::later(Duration wait, std::function<void()> what) {
  machine_.after(wait, [self = shared_from_this(), what = std::move(what)] {
    if (!self->dead_) what();
  });
}

void AgentProcess::connected(const std::shared_ptr<Connection>& connection,
                             const std::shared_ptr<Link>& link) {
  connection_ = connection;
  connection->open(link, [weak = weak_from_this()](const tunnel::SessionEvent& event) {
    const auto self = weak.lock();
    if (self && !self->dead_) self->on_event(event);
  });
}

void AgentProcess::on_event(const tunnel::SessionEvent& event) {
  using Kind = tunnel::SessionEvent::Kind;
  if (event.kind == Kind::opened) on_opened(event);
  if (event.kind == Kind::acknowledged) results_->forget(*tunnel::decode_result_acks(event.text));
  if (event.kind == Kind::broken && streams_.contains(event.stream)) {
    streams_.at(event.stream)->broken();
    streams_.erase(event.stream);
  }
}

void AgentProcess::on_opened(const tunnel::SessionEvent& event) {
  auto head = tunnel::decode_deliver(event.text);
  if (!head) throw Violation("a head that nobody can read");
  auto stream = std::make_shared<AgentStream>(connection_, event.stream, std::move(*head));
  streams_[event.stream] = stream;
  const SteadyTime until = machine_.now() + stream->head().deadline;
  auto arrival = calls_.arrived(stream);
  if (arrival.fresh) return read_on(arrival.fresh, until);
  if (arrival.joined) return;
  if (arrival.known) {
    arrival.known->head.from_journal = true;
    return stream->respond(arrival.known->head, std::move(arrival.known->body));
  }
  stream->respond(without_answer(tunnel::ResultOutcome::not_sent, "agent_busy"), {});
}

/// A reader who takes his time.
void AgentProcess::read_on(const Calls::CallPtr& call, SteadyTime until) {
  later(scheduler_.between(0, scheduler_.chance(5) ? 3000 : 30), [this, call, until] {
    const bool whole = call->streams.front()->read(machine_.now());
    if (whole) return call_app(call, until);
    if (call->streams.front()->cancelled() || machine_.now() >= until)
      return tell(call, without_answer(tunnel::ResultOutcome::not_sent, "timeout"), {});
    read_on(call, until);
  });
}

void AgentProcess::call_app(const Calls::CallPtr& call, SteadyTime until) {
  if (!calls_.begin(*call))
    return tell(call, without_answer(tunnel::ResultOutcome::not_sent, "cancelled"), {});
  witness_.called(call->head().delivery_id, call->attempt());
  const Duration left = std::max(Duration(0), until - machine_.now());
  const Duration takes = scheduler_.between(0, scheduler_.chance(5) ? 20'000 : 800);
  if (takes >= left) return later(left, [this, call] { app_timed_out(call); });
  const int status = scheduler_.chance(80) ? 200 : 500;
  later(takes, [this, call, status] { app_answered(call, status); });
}

void AgentProcess::app_answered(const Calls::CallPtr& call, int status) {
  std::string body = scheduler_.random().bytes(scheduler_.below(scheduler_.chance(20) ? 5000 : 300));
  witness_.answered(call->head().delivery_id, status, body);
  tunnel::ResultHead head;
  head.outcome = tunnel::ResultOutcome::delivered;
  head.status = status;
  tell(call, head, body);
}

void AgentProcess::app_timed_out(const Calls::CallPtr& call) {
  witness_.timed_out(call->head().delivery_id);
  tell(call, without_answer(tunnel::ResultOutcome::maybe_sent, "timeout"), {});
}

void AgentProcess::tell(const Calls::CallPtr& call, tunnel::ResultHead head, const std::string& body) {
  const auto told = calls_.over(call, head, body);
  for (const auto& stream : told) {
    head.from_journal = stream != told.front();
    stream->respond(head, body);
  }
}

}  // namespace postern::simulation
