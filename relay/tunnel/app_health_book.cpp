#include "relay/tunnel/app_health_book.hpp"

#include <algorithm>
#include <bit>

namespace postern::relay {
namespace {

/// What one process of an agent gives an app, by the words of its sessions with this node.
struct Process {
  Uuid instance{};
  std::uint32_t seats = 0;  ///< of its live sessions, a bit each: two in one seat are one
  std::uint64_t most = 0;   ///< 0: it does not bound the app
  std::uint64_t sessions = 1;

  void add(const SessionSeat& seat, const tunnel::AppHealth* app) {
    seats |= std::uint32_t{1} << (seat.index % 32);
    const bool tighter = app != nullptr && app->concurrency > 0 && (most == 0 || app->concurrency < most);
    if (!tighter) return;
    most = app->concurrency;
    sessions = std::max<std::uint64_t>(app->sessions, 1);
  }
  /// In exact numbers: a session's part of 3 is 1.5 where there are two, and two of them have all 3.
  std::uint64_t places() const {
    const std::uint64_t own = std::min<std::uint64_t>(static_cast<unsigned>(std::popcount(seats)), sessions);
    return (most * own + sessions - 1) / sessions;
  }
};

Process& process_of(std::vector<Process>& processes, const Uuid& instance) {
  const auto known = std::ranges::find(processes, instance, &Process::instance);
  return known != processes.end() ? *known : processes.emplace_back(Process{instance});
}

}  // namespace

AppHealthBook::Entry* AppHealthBook::find(Word& word, const Teller& teller) {
  const auto found = std::ranges::find(word.entries, teller.session,
                                       [](const Entry& entry) { return entry.teller.session; });
  return found == word.entries.end() ? nullptr : &*found;
}

bool AppHealthBook::has_seat(const Word& word, const SessionSeat& seat) {
  return std::ranges::any_of(word.entries,
                             [&](const Entry& it) { return it.teller.live && it.teller.seat == seat; });
}

/// Whether anything depends on it that it comes or goes: one that bounds nothing unbounds other processes'.
bool AppHealthBook::matters(const Word& word, const Entry& entry) {
  const auto bounds = [](const Entry& it) { return it.told->bounds_any(); };
  return bounds(entry) || std::ranges::any_of(word.entries, bounds);
}

bool AppHealthBook::told(AgentId agent, const Teller& teller, std::vector<tunnel::AppHealth> apps) {
  Told now = std::make_shared<const ToldApps>(std::move(apps));  // the long part, before others have to wait
  const std::lock_guard lock(mutex_);
  Word& word = words_[agent];
  const SteadyTime at = clock_.steady();
  const bool lapsed = at - word.at >= kHolds;
  bool differs = lapsed || !word.last || word.last->all() != now->all();
  const bool is_seated = has_seat(word, teller.seat);
  if (Entry* known = find(word, teller)) {
    differs = differs || !known->told->same_bounds(*now);
    *known = {teller, now, at};
  } else {
    word.entries.push_back({teller, now, at});
    differs = differs || (teller.live && !is_seated && matters(word, word.entries.back()));
  }
  word.last = std::move(now);
  word.at = at;
  word.by = teller.seat.instance;
  return differs;
}

bool AppHealthBook::set_live(AgentId agent, const Teller& teller) {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end()) return false;
  Entry* entry = find(word->second, teller);
  if (entry == nullptr || entry->teller.live == teller.live) return false;
  entry->teller.live = teller.live;
  return matters(word->second, *entry);
}

bool AppHealthBook::left(AgentId agent, const Teller& teller) {
  const std::lock_guard lock(mutex_);
  const auto found = words_.find(agent);
  if (found == words_.end()) return false;
  Word& word = found->second;
  Entry* entry = find(word, teller);
  if (entry == nullptr) return false;
  const Entry gone = *entry;
  std::erase_if(word.entries, [&](const Entry& it) { return it.teller.session == teller.session; });
  bool news = gone.teller.live && !has_seat(word, gone.teller.seat) && matters(word, gone);
  news = process_left(word, gone.teller.seat.instance) || news;
  if (word.entries.empty()) words_.erase(found);
  return news;
}

bool AppHealthBook::says_away(const Word& word) const {
  if (!word.last || clock_.steady() - word.at >= kHolds) return false;
  return std::ranges::any_of(word.last->all(), [](const tunnel::AppHealth& app) { return !app.reachable; });
}

/// Those that stay have the last word, of the time when it was said.
bool AppHealthBook::process_left(Word& word, const Uuid& instance) const {
  const auto of_it = [&](const Entry& it) { return it.teller.seat.instance == instance; };
  if (!word.last || word.by != instance || std::ranges::any_of(word.entries, of_it)) return false;
  const bool was_away = says_away(word);
  if (word.entries.empty()) return was_away;  // and so is the word
  const Entry& newest = *std::ranges::max_element(word.entries, {}, &Entry::at);
  word.last = newest.told;
  word.at = newest.at;
  word.by = newest.teller.seat.instance;
  return was_away;
}

std::optional<unsigned> AppHealthBook::places(AgentId agent, std::string_view host,
                                              std::uint16_t port) const {
  const std::string key = app_key(host, port);
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end()) return std::nullopt;
  std::vector<Process> processes;
  for (const auto& [teller, told, at] : word->second.entries) {
    if (!teller.live) continue;
    process_of(processes, teller.seat.instance).add(teller.seat, told->find(key));
  }
  if (processes.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const Process& process : processes) {
    if (process.most == 0) return std::nullopt;
    sum += process.places();
  }
  return static_cast<unsigned>(sum);
}

void AppHealthBook::forget(AgentId agent) {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end()) return;
  word->second.last.reset();
  word->second.at = {};
  if (word->second.entries.empty()) words_.erase(word);
}

std::optional<std::string> AppHealthBook::away(AgentId agent, std::string_view host,
                                               std::uint16_t port) const {
  const std::string key = app_key(host, port);
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  if (word == words_.end() || !word->second.last) return std::nullopt;
  if (clock_.steady() - word->second.at >= kHolds) return std::nullopt;
  const tunnel::AppHealth* app = word->second.last->find(key);
  if (app == nullptr || app->reachable) return std::nullopt;
  return app->reason;
}

std::vector<tunnel::AppHealth> AppHealthBook::apps(AgentId agent) const {
  const std::lock_guard lock(mutex_);
  const auto word = words_.find(agent);
  return word == words_.end() || !word->second.last ? std::vector<tunnel::AppHealth>()
                                                    : word->second.last->all();
}

}  // namespace postern::relay
