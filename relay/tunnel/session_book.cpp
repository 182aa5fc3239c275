#include "relay/tunnel/session_book.hpp"

#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "relay/store/agent_session_repository.hpp"

namespace postern::relay {

void SessionBook::start() {
  boost::asio::post(parts_.loop, [self = shared_from_this()] { self->look(); });
}

void SessionBook::stop() {
  stopped_ = true;
  timer_.cancel();
}

void SessionBook::changed(AgentId agent) {
  boost::asio::post(parts_.loop, [self = shared_from_this(), agent] { self->note(agent); });
}

void SessionBook::note(AgentId agent) {
  if (parts_.session(agent)) {
    here_[agent] = parts_.clock.now();
  } else {
    here_.erase(agent);
  }
  unwritten_.insert(agent);
  write_some();
}

void SessionBook::look() {
  if (stopped_) return;
  if (std::exchange(written_as_, parts_.node()) != parts_.node()) {
    for (const auto& [agent, since] : here_) unwritten_.insert(agent);
  }
  write_some();
  arm();
}

void SessionBook::arm() {
  timer_.expires_after(kLookEvery);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    const auto self = weak.lock();
    if (!ec && self) self->look();
  });
}

void SessionBook::write_some() {
  if (stopped_ || unwritten_.empty() || std::exchange(writing_, true)) return;
  const auto entries = std::make_shared<const std::vector<Entry>>(take_some());
  auto job = [entries, node = parts_.node()](Transaction& tx) -> Result<void> {
    AgentSessionRepository sessions(tx);
    for (const Entry& entry : *entries) {
      if (entry.generation)
        sessions.arrived(entry.agent, node, *entry.generation, entry.since);
      else
        sessions.left(entry.agent, node);
    }
    return {};
  };
  parts_.database.write(std::move(job), [self = shared_from_this(), entries](const Result<void>& done) {
    boost::asio::post(self->parts_.loop, [self, entries, done] { self->written(*entries, done); });
  });
}

std::vector<SessionBook::Entry> SessionBook::take_some() {
  std::vector<Entry> entries;
  while (!unwritten_.empty() && entries.size() < kAtOnce) {
    const AgentId agent = *unwritten_.begin();
    unwritten_.erase(unwritten_.begin());
    const auto since = here_.find(agent);
    entries.push_back({agent, parts_.session(agent), since == here_.end() ? Time{} : since->second});
  }
  return entries;
}

void SessionBook::written(const std::vector<Entry>& entries, const Result<void>& done) {
  writing_ = false;
  if (done) return write_some();
  for (const Entry& entry : entries) unwritten_.insert(entry.agent);  // look() tries again
  log::debug("agent.sessions_not_written", {{"count", entries.size()}, {"error", done.error().message}});
}

}  // namespace postern::relay
