#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <string>

namespace postern {

/// Starts a coroutine nobody waits for. What it throws is logged as "task.failed" with `name` and goes no
/// further: one failed session never takes the process down. Pass a named coroutine function with by-value
/// parameters; a capturing lambda's captures would die before the frame does.
void spawn(boost::asio::any_io_executor executor, boost::asio::awaitable<void> task, std::string name);

}  // namespace postern
