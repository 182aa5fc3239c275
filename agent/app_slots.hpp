#pragma once
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace postern::agent {

/// How many deliveries each app has now: whoever calls it holds a slot meanwhile. The bound is of the moment
/// it is asked for, so one that was lowered comes about as deliveries end. One thread.
class AppSlots {
  using Counts = std::unordered_map<std::string, std::size_t>;

 public:
  class Hold {
   public:
    Hold(std::shared_ptr<Counts> counts, std::string app) : counts_(std::move(counts)), app_(std::move(app)) {
      ++(*counts_)[app_];
    }
    Hold(Hold&&) noexcept = default;
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (!counts_) return;  // moved from
      const auto found = counts_->find(app_);
      if (--found->second == 0) counts_->erase(found);
    }

   private:
    std::shared_ptr<Counts> counts_;
    std::string app_;
  };

  /// Nullopt when the app has `most` already; 0: any number.
  std::optional<Hold> take(const std::string& app, std::size_t most) {
    if (most > 0 && in_flight(app) >= most) return std::nullopt;
    return Hold(counts_, app);
  }
  std::size_t in_flight(const std::string& app) const {
    const auto found = counts_->find(app);
    return found == counts_->end() ? 0 : found->second;
  }

 private:
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();  ///< of apps that have any
};

}  // namespace postern::agent
