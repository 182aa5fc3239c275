#pragma once
#include <memory>
#include <optional>
#include <string>

#include "tests/simulation/fair_watch.hpp"
#include "tests/simulation/link.hpp"
#include "tests/simulation/machine.hpp"
#include "tests/simulation/witness.hpp"
#include "tunnel-proto/session.hpp"

namespace postern::simulation {

/// A session on a link: what the TLS driver is in the programs.
class Connection : public Endpoint, public std::enable_shared_from_this<Connection> {
 public:
  using OnEvent = std::function<void(const tunnel::SessionEvent&)>;
  Connection(Machine& machine, End end, const tunnel::SessionLimits& own, const tunnel::SessionLimits& peer);
  void open(std::shared_ptr<Link> link, OnEvent on_event);

  tunnel::Session& session() { return session_; }
  /// After calls of the session: what it has to say is said, to its user and to the wire.
  void turn();
  /// Its process is gone, and nobody hears of its end here.
  void drop();
  bool ended() const { return session_.ended(); }

  void received(std::string_view bytes) override;
  void writable() override;
  void gone() override;

 private:
  void write();
  void arm();
  void check();

  void take(std::string_view bytes);
  void lose();

  Machine& machine_;
  const End end_;
  const std::uint64_t most_unread_;
  tunnel::Session session_;
  FairWatch fair_;
  std::shared_ptr<Link> link_;
  OnEvent on_event_;
  std::string unsent_;
  SteadyTime armed_ = SteadyTime::max();
  bool turning_ = false;
};

}  // namespace postern::simulation
