#include "tests/simulation/fair_watch.hpp"

#include <fmt/format.h>

#include "tunnel-proto/big_endian.hpp"
#include "tunnel-proto/fair_queue.hpp"

namespace postern::simulation {

using tunnel::FrameReader;
using tunnel::FrameType;
using What = FrameReader::What;

namespace {

constexpr std::uint64_t kFrame = tunnel::kHeaderSize + tunnel::kMaxData;
constexpr std::uint64_t kVisit = tunnel::FairQueue::kQuantum + kFrame;

}  // namespace

void FairWatch::sent(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto item = out_.next(bytes);
    if (!item) throw Violation("it sends what nobody can read: " + item.error().message);
    if (item->what == What::header || item->what == What::frame) on_sent(*item);
  }
}

void FairWatch::received(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto item = in_.next(bytes);
    if (!item) return;  // the session's business
    if (item->what == What::header || item->what == What::frame) on_received(*item);
  }
}

void FairWatch::on_sent(const FrameReader::Item& item) {
  const auto type = item.header.type;
  if ((type == FrameType::deliver || type == FrameType::result) && !item.header.end()) begin(item);
  if (type == FrameType::reset) senders_.erase(item.header.stream);
  if (type == FrameType::data) on_data(item.header);
}

void FairWatch::on_received(const FrameReader::Item& item) {
  const auto found = senders_.find(item.header.stream);
  if (found == senders_.end()) return;
  const auto type = item.header.type;
  // An answer that is whole ends the request, whatever of it is not sent.
  const bool answered = role_ == tunnel::Role::relay && item.header.end();
  if (type == FrameType::reset || answered) {
    senders_.erase(found);
  } else if (type == FrameType::window) {
    const auto limit = tunnel::read_big_endian<std::uint64_t>(item.bytes);
    found->second.limit = std::max(found->second.limit, limit);
  }
}

void FairWatch::begin(const FrameReader::Item& head) {
  Sender& sender = senders_[head.header.stream];
  sender.limit = peer_window_;
  if (role_ == tunnel::Role::relay) sender.target = tunnel::decode_deliver(std::string(head.bytes))->port;
}

void FairWatch::on_data(const tunnel::FrameHeader& header) {
  const auto found = senders_.find(header.stream);
  if (found == senders_.end()) return;  // the last of its answer is on the way
  const std::uint64_t target = found->second.target;
  for (auto& [id, other] : senders_) {
    if (id == header.stream || other.sent >= other.limit) continue;
    other.passed_by += tunnel::kHeaderSize + header.length;
    if (other.target == target) ++other.own[header.stream];
    if (other.target != target) other.other_targets.insert(target);
    check(id, other);
  }
  Sender& sender = found->second;
  sender.sent += header.length;
  sender.passed_by = 0;
  sender.own.clear();
  sender.other_targets.clear();
  if (header.end()) senders_.erase(found);
}

void FairWatch::check(tunnel::StreamId id, const Sender& waiting) const {
  const std::uint64_t visits = waiting.own.size() + 1;
  const std::uint64_t most = waiting.own.size() * kFrame + visits * waiting.other_targets.size() * 2 * kVisit;
  for (const auto& [other, frames] : waiting.own) {
    if (frames > 1)
      throw Violation(
          fmt::format("stream {} starves: stream {} of its target sent {} frames", id, other, frames));
  }
  if (waiting.passed_by > most)
    throw Violation(fmt::format("stream {} starves: {} bytes of others went first", id, waiting.passed_by));
}

}  // namespace postern::simulation
