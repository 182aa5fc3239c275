#include "agent/allow_list.hpp"

#include <algorithm>
#include <map>

#include "agent/override_header.hpp"

namespace postern::agent {
namespace {

std::string place_of(const Call& call) {
  if (socket_path(call.host)) return std::string(call.host);
  return HostPort{std::string(call.host), call.port}.to_string();
}

std::unexpected<Error> not_listed(const Call& call) {
  return fail("not_allowed",
              fmt::format("{0} is not on this agent's allow-list. To allow it, restart the agent with "
                          "--allow {0}.",
                          place_of(call)));
}

std::unexpected<Error> beyond(const Call& call, const std::string& limits) {
  return fail("request_not_allowed",
              fmt::format("This agent's allow-list has {} for {} only; the method or the path "
                          "of this request is another, or its path can be read in two ways.",
                          limits, place_of(call)));
}

std::unexpected<Error> overridden(std::string_view header) {
  return fail(
      "request_not_allowed",
      fmt::format("The header {} may have the app take this request for one of another method or path, "
                  "and this agent's allow-list limits those. Have the sender or the route leave it "
                  "out, or allow the app without limits.",
                  header));
}

}  // namespace

Result<AllowList> AllowList::parse(const std::vector<std::string>& entries) {
  std::map<std::string, AllowEntry> sorted;
  for (const std::string& text : entries) {
    auto entry = AllowEntry::parse(text);
    if (!entry) return std::unexpected(entry.error());
    std::string canonical = entry->to_string();
    sorted.try_emplace(std::move(canonical), std::move(*entry));
  }
  AllowList list;
  for (auto& [text, entry] : sorted) list.entries_.push_back(std::move(entry));
  return list;
}

bool AllowList::knows(std::string_view host, std::uint16_t port) const {
  const auto reaches = [&](const AllowEntry& entry) {
    return entry.reaches({false, host, port, {}, {}}) || entry.reaches({true, host, port, {}, {}});
  };
  return std::ranges::any_of(entries_, reaches);
}

std::vector<std::string> AllowList::pins(std::string_view host, std::uint16_t port) const {
  std::vector<std::string> out;
  for (const AllowEntry& entry : entries_) {
    if (entry.reaches({true, host, port, {}, {}}) && !entry.pin().empty()) out.push_back(entry.pin());
  }
  return out;
}

std::size_t AllowList::most(std::string_view host, std::uint16_t port) const {
  std::size_t least = 0;
  for (const AllowEntry& entry : entries_) {
    const bool there =
        entry.reaches({false, host, port, {}, {}}) || entry.reaches({true, host, port, {}, {}});
    if (there && entry.most() > 0) least = least == 0 ? entry.most() : std::min(least, entry.most());
  }
  return least;
}

std::vector<HostPort> AllowList::bounded() const {
  std::vector<HostPort> out;
  for (const AllowEntry& entry : entries_) {
    if (entry.most() == 0 || (entry.socket_path().empty() && entry.place().port == 0)) continue;
    out.push_back(entry.socket_path().empty() ? entry.place() : HostPort{"unix:" + entry.socket_path(), 80});
  }
  return out;
}

Result<AllowList::Permission> AllowList::permit(const Call& call) const {
  Permission permission;
  std::string limits;
  bool taken = false;
  bool unlimited = false;
  for (const AllowEntry& entry : entries_) {
    if (!entry.reaches(call)) continue;
    taken = taken || entry.takes(call);
    unlimited = unlimited || !entry.is_limited();
    limits += (limits.empty() ? "" : ", ") + entry.to_string();
    if (!entry.pin().empty()) permission.pins.push_back(entry.pin());
  }
  const std::string_view header = unlimited ? std::string_view() : override_header(call.headers);
  if (taken && !header.empty()) return overridden(header);
  if (taken) return permission;
  if (limits.empty() && knows(call.host, call.port)) return beyond(call, "https");
  if (limits.empty()) return not_listed(call);
  return beyond(call, limits);
}

std::vector<std::string> AllowList::entries() const {
  std::vector<std::string> out;
  out.reserve(entries_.size());
  for (const AllowEntry& entry : entries_) out.push_back(entry.to_string());
  return out;
}

}  // namespace postern::agent
