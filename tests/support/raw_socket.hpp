#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::test {

/// A blocking client socket that says exactly what it is told. Every wait ends after `patience`.
class RawSocket {
 public:
  explicit RawSocket(std::uint16_t port, std::chrono::milliseconds patience = std::chrono::seconds(10));
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  /// false when the peer does not take all of it any more.
  bool send(std::string_view bytes);
  /// Says that nothing more will come.
  void finish_sending();

  struct Answer {
    int status = 0;  ///< 0: none came
    std::string head;
    std::string body;
    bool closes = false;  ///< it said so
  };
  /// The next response, framed by its Content-Length.
  Answer read_answer();
  /// Everything up to the end of the connection.
  std::string read_to_end();
  /// true when the peer ends the connection, with or without a reset, before anything more comes.
  bool ended();

 private:
  bool read_more();

  int fd_;
  std::string buffer_;
};

}  // namespace postern::test
