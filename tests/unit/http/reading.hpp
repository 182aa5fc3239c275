#pragma once
#include <string>
#include <string_view>

#include "base/http/chunked.hpp"
#include "base/http/gate.hpp"

namespace postern::http::test {

/// One request read with the gate and the body reader its framing asks for.
struct Reading {
  Progress progress = Progress::more;
  Verdict verdict;
  Head head;
  std::string body;
  std::size_t used = 0;
};

class Reader {
 public:
  void feed(std::string_view bytes);
  Reading& reading() { return reading_; }

 private:
  void feed_body(std::string_view bytes);

  Gate gate_{GateLimits{}};
  ChunkedDecoder chunks_{1 << 20};
  Reading reading_;
};

inline Reading read_whole(std::string_view bytes) {
  Reader reader;
  reader.feed(bytes);
  return std::move(reader.reading());
}

inline Reading read_split(std::string_view bytes, std::size_t at) {
  Reader reader;
  reader.feed(bytes.substr(0, at));
  reader.feed(bytes.substr(at));
  return std::move(reader.reading());
}

inline Reading read_by_byte(std::string_view bytes) {
  Reader reader;
  for (std::size_t i = 0; i < bytes.size(); ++i) reader.feed(bytes.substr(i, 1));
  return std::move(reader.reading());
}

inline void Reader::feed(std::string_view bytes) {
  if (reading_.progress != Progress::more) return;
  if (gate_.progress() == Progress::more) {
    const std::size_t used = gate_.feed(bytes);
    reading_.used += used;
    bytes.remove_prefix(used);
    if (gate_.progress() == Progress::refused) {
      reading_.progress = Progress::refused;
      reading_.verdict = gate_.verdict();
    }
    if (gate_.progress() != Progress::done) return;
    reading_.head = gate_.head();
  }
  feed_body(bytes);
}

inline void Reader::feed_body(std::string_view bytes) {
  const Head& head = reading_.head;
  if (head.framing == Framing::chunked) {
    reading_.used += chunks_.feed(bytes, reading_.body);
    reading_.progress = chunks_.progress();
    reading_.verdict = chunks_.verdict();
    return;
  }
  const std::string_view part = bytes.substr(0, head.content_length - reading_.body.size());
  reading_.body += part;
  reading_.used += part.size();
  if (reading_.body.size() == head.content_length) reading_.progress = Progress::done;
}

}  // namespace postern::http::test
