#include "relay/routing/wire.hpp"

#include <cstring>

namespace postern::relay {
namespace {

class Writer {
 public:
  explicit Writer(std::size_t expected) {
    out_.reserve(expected + 64);
    out_.resize(kFrameHead);
  }
  void number8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void number32(std::uint32_t value) { out_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view bytes) {
    number32(static_cast<std::uint32_t>(bytes.size()));
    out_.append(bytes);
  }
  std::string frame() {
    const auto length = static_cast<std::uint32_t>(out_.size() - kFrameHead);
    std::memcpy(out_.data(), &length, sizeof length);
    return std::move(out_);
  }

 private:
  std::string out_;
};

/// Reads what is there; past the end or on a bad value everything is 0 or empty, and sound() says so.
class Reader {
 public:
  explicit Reader(std::string_view from) : rest_(from) {}
  bool sound() const { return sound_; }
  bool ended() const { return sound_ && rest_.empty(); }

  std::string_view bytes(std::size_t count) {
    if (rest_.size() < count) sound_ = false;
    if (!sound_) return {};
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::uint8_t number8(std::uint8_t most) {
    const std::string_view taken = bytes(1);
    const auto value = taken.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(taken.front());
    if (value > most) sound_ = false;
    return value;
  }
  std::uint32_t number32() {
    std::uint32_t value = 0;
    const std::string_view taken = bytes(sizeof value);
    if (!taken.empty()) std::memcpy(&value, taken.data(), sizeof value);
    return value;
  }
  std::string_view text() { return bytes(number32()); }

 private:
  std::string_view rest_;
  bool sound_ = true;
};

std::string_view cut(std::string_view message) {
  if (message.size() <= kMessageBytesMax) return message;
  std::size_t end = kMessageBytesMax;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  return message.substr(0, end);
}

}  // namespace

std::string encode(const WorkerRequest& request, std::size_t first) {
  Writer out(request.meta.size() + request.body.size() + request.routes.size() * 256);
  out.number8(static_cast<std::uint8_t>(request.task));
  out.number32(request.program_time_us);
  out.number32(request.input_time_us);
  out.text(request.meta);
  out.text(request.body);
  for (std::size_t i = first; i < request.routes.size(); ++i) {
    out.text(request.routes[i].filter);
    out.text(request.routes[i].transform);
  }
  return out.frame();
}

std::optional<WorkerRequest> decode_request(std::string_view content) {
  Reader in(content);
  WorkerRequest request;
  request.task = static_cast<WorkerRequest::Task>(in.number8(1));
  request.program_time_us = in.number32();
  request.input_time_us = in.number32();
  request.meta = in.text();
  request.body = in.text();
  while (in.sound() && !in.ended()) {
    RoutePrograms programs;
    programs.filter = in.text();
    programs.transform = in.text();
    request.routes.push_back(std::move(programs));
  }
  if (!in.sound()) return std::nullopt;
  return request;
}

std::string encode(const Ruling& ruling) {
  Writer out(cut(ruling.message).size() + (ruling.payload ? ruling.payload->body.size() : 0));
  out.number8(static_cast<std::uint8_t>(ruling.kind));
  out.number8(static_cast<std::uint8_t>(ruling.stage));
  out.number8(static_cast<std::uint8_t>(ruling.fault));
  out.text(cut(ruling.message));
  if (!ruling.payload) return out.frame();
  out.text(ruling.payload->body);
  for (const http::Header& header : ruling.payload->headers) {
    out.text(header.name);
    out.text(header.value);
  }
  return out.frame();
}

std::optional<Ruling> decode_ruling(std::string_view content) {
  Reader in(content);
  Ruling ruling;
  ruling.kind = static_cast<Ruling::Kind>(in.number8(static_cast<std::uint8_t>(Ruling::Kind::failed)));
  ruling.stage = static_cast<Stage>(in.number8(kStages - 1));
  ruling.fault = static_cast<Fault>(in.number8(kFaults - 1));
  ruling.message = in.text();
  if (ruling.kind == Ruling::Kind::transformed) {
    auto payload = std::make_shared<Payload>();
    payload->body = in.text();
    while (in.sound() && !in.ended()) {
      http::Header header;
      header.name = in.text();
      header.value = in.text();
      payload->headers.push_back(std::move(header));
    }
    ruling.payload = std::move(payload);
  }
  if (!in.ended()) return std::nullopt;
  return ruling;
}

std::optional<std::size_t> frame_length(std::string_view head, std::size_t most) {
  std::uint32_t length = 0;
  if (head.size() != kFrameHead) return std::nullopt;
  std::memcpy(&length, head.data(), sizeof length);
  if (length > most) return std::nullopt;
  return length;
}

}  // namespace postern::relay
