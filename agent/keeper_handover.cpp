#include <unistd.h>

#include <algorithm>

#include "agent/keeper.hpp"

/// The keeper while one process of the agent gives its place to another: handover.hpp.
namespace postern::agent {

Greeting Keeper::greeting() const {
  return {instance_, previous_instance_, identity_.generation, ::getpid()};
}

void Keeper::become_owner(const Identity& saved) {
  role_ = Role::owner;
  catch_up(identity_, saved);
  save();
  if (!identity_.next_secret.empty() || parts_.state_dir.rotation_asked()) rotate(0);
  parts_.board.enter(phase());
}

/// A login under way might end in a seat that the heir has taken by then.
void Keeper::give_way() {
  role_ = Role::giving;
  for (const auto& lane : lanes_) lane->drop_login();
}

void Keeper::part() {
  role_ = Role::parting;
}

void Keeper::go_on() {
  role_ = Role::owner;
  dials_again_.cancel();
  for (const auto& lane : lanes_) lane->wake();
  if (parts_.state_dir.rotation_asked()) rotate(0);
}

void Keeper::heir_logged_in(std::uint64_t generation) {
  identity_.generation = std::max(identity_.generation, generation);
  save();
}

void Keeper::heir_ended(int exit_status) {
  exit_status_ = exit_status;
  drain();
}

void Keeper::become_gone() {
  role_ = Role::gone;
  draining_ = true;
  dials_again_.cancel();
  for (const auto& lane : lanes_) lane->leave("moved", "Another process of this agent has taken over.");
}

bool Keeper::all_left() const {
  return std::ranges::none_of(lanes_, [](const auto& lane) { return lane->takes_deliveries(); });
}

}  // namespace postern::agent
