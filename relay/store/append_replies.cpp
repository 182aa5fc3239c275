#include "relay/store/append_replies.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace postern::relay {

void post_replies(std::vector<AppendReply> replies) {
  std::vector<std::vector<AppendReply>> loops;
  for (AppendReply& reply : replies) {
    const auto same =
        std::ranges::find_if(loops, [&](const auto& loop) { return loop[0].reply_on == reply.reply_on; });
    if (same != loops.end())
      same->push_back(std::move(reply));
    else
      loops.emplace_back().push_back(std::move(reply));
  }
  for (auto& loop : loops) {
    const auto executor = loop[0].reply_on;
    boost::asio::post(executor, [loop = std::move(loop)]() mutable {
      for (AppendReply& reply : loop) reply.done(std::move(reply.outcome));
    });
  }
}

}  // namespace postern::relay
