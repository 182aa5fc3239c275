#include "base/spawn.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>

#include "base/log.hpp"

namespace postern {

void spawn(boost::asio::any_io_executor executor, boost::asio::awaitable<void> task, std::string name) {
  boost::asio::co_spawn(executor, std::move(task), [name = std::move(name)](std::exception_ptr error) {
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
      if (e.code() == boost::asio::error::operation_aborted) return;
      log::error("task.failed", {{"task", name}, {"error", e.what()}});
    } catch (const std::exception& e) {
      log::error("task.failed", {{"task", name}, {"error", e.what()}});
    }
  });
}

}  // namespace postern
