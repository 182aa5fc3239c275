#include "relay/store/database.hpp"

#include <future>

namespace postern::relay {
namespace {

template <class Start>
Result<void> wait_for(Start start) {
  auto promise = std::make_shared<std::promise<Result<void>>>();
  auto future = promise->get_future();
  start([promise](Result<void> outcome) { promise->set_value(std::move(outcome)); });
  return future.get();
}

}  // namespace

Result<void> write_and_wait(Database& db, Database::WriteJob job) {
  return wait_for([&](Database::Done done) { db.write(std::move(job), std::move(done)); });
}

Result<void> read_and_wait(Database& db, Database::ReadJob job) {
  return wait_for([&](Database::Done done) { db.read(std::move(job), std::move(done)); });
}

}  // namespace postern::relay
