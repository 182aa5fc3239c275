#pragma once
#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>

#include "base/http/body_rate.hpp"
#include "base/http/gate.hpp"
#include "base/http/server_core.hpp"
#include "base/http/stream.hpp"

namespace postern::http {

/// One client of a server: reads requests in order, asks the handler, answers. Lives in the frame of
/// serve_connection, on one loop. Every wait is under a deadline but the handler's own.
class Connection final : private Watched {
 public:
  Connection(std::shared_ptr<ServerCore> core, Shard& shard, boost::asio::ip::tcp::socket socket);
  ~Connection();

  boost::asio::awaitable<void> run();
  /// Idle: ends soon. Within a request: answers it, and ends then.
  void drain();
  void stop() { stream_.close(); }

 private:
  enum class Phase : std::uint8_t { handshake, idle, head, body, handler, writing, lingering };

  boost::asio::awaitable<bool> is_other_protocol();
  boost::asio::awaitable<bool> start_tls();
  boost::asio::awaitable<bool> exchange();
  boost::asio::awaitable<bool> read_head(Gate& gate);
  boost::asio::awaitable<bool> decide(Head& head, Request& request);
  boost::asio::awaitable<bool> read_body(const Head& head, std::size_t limit, std::string& body);
  boost::asio::awaitable<bool> read_sized(std::size_t size, std::string& body);
  boost::asio::awaitable<bool> read_chunked(std::size_t limit, std::string& body);
  boost::asio::awaitable<bool> invite_body();
  boost::asio::awaitable<bool> refuse_for_memory(std::string& body);
  boost::asio::awaitable<Response> ask_handler(Request request);
  boost::asio::awaitable<bool> fill();
  boost::asio::awaitable<bool> answer(Response response, bool close);
  boost::asio::awaitable<bool> refuse(Verdict verdict);
  boost::asio::awaitable<bool> send(std::string_view head, std::string_view body);
  boost::asio::awaitable<void> linger();

  HeadDecision ask_decision(const Request& head);
  bool skip_buffered_body(const Head& head);
  void begin_request();
  void end_request();
  bool hold(std::size_t bytes);
  void enter(Phase phase, SteadyTime deadline);
  void expired(SteadyTime now) override;
  void give_up(std::string_view reason);
  void report(int status, std::string_view reason);

  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  const ServerLimits& limits() const { return core_->options.limits; }

  std::shared_ptr<ServerCore> core_;
  Shard& shard_;
  std::list<Connection*>::iterator place_;
  Stream stream_;
  std::string peer_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string out_;
  std::optional<BodyRate> rate_;
  std::size_t held_ = 0;  // of the server's memory for bodies
  Phase phase_ = Phase::idle;
  bool busy_ = false;
  bool head_method_ = false;  // the answer to HEAD keeps its length and loses its body
  bool close_after_ = false;  // the client wants it, or bytes are left that nobody will read
};

}  // namespace postern::http
