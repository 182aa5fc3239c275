#include "agent/reloader.hpp"

#include "base/log.hpp"

namespace postern::agent {
namespace {

std::string name_of(const std::optional<std::filesystem::path>& file) {
  return file ? file->string() : std::string();
}

}  // namespace

void Reloader::start(const LoadedServing& loaded) {
  parts_.board.status().config = {name_of(loaded.file), parts_.clock.now(), {}};
  const auto files = config_candidates(options_);
  watch_ = FileWatch::start(parts_.executor, files, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->reload();
  });
  if (!watch_) log::warn("agent.config_not_watched", {{"hint", "Send SIGHUP after a change."}});
}

void Reloader::reload() {
  auto loaded = load_serving(options_, saved_);
  if (loaded) return take(std::move(*loaded));
  log::error("agent.config_refused",
             {{"error", loaded.error().message}, {"hint", "What was there before still holds."}});
  parts_.board.status().config.error = std::move(loaded.error());
  parts_.board.tick();
}

void Reloader::take(LoadedServing loaded) {
  const Serving& serving = loaded.serving;
  parts_.forwarder->serve(serving.allow, serving.limits, serving.app_tls);
  parts_.health->rules_changed(serving.allow);
  parts_.keeper->grant(static_cast<std::uint32_t>(serving.limits.deliveries));
  parts_.inspector.set(serving.inspect);
  log::set_level(serving.log_level);
  parts_.board.status().config = {name_of(loaded.file), parts_.clock.now(), {}};
  parts_.board.tick();
  log::info("agent.config_loaded", {{"file", name_of(loaded.file)},
                                    {"apps", serving.allow.entries().size()},
                                    {"concurrency", serving.limits.deliveries}});
}

}  // namespace postern::agent
