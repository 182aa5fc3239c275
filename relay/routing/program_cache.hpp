#pragma once
#include <list>
#include <string>
#include <unordered_map>

#include "relay/routing/program.hpp"

namespace postern::relay {

/// Compiled programs by their text; the one that was not used for longest makes room. Compiling takes 15 ms
/// with libjq 1.6, running a small program 4 us. Programs that do not compile are kept too.
class ProgramCache {
 public:
  explicit ProgramCache(std::size_t most) : most_(most) {}

  /// Stands until the next call.
  const Result<std::unique_ptr<Program>>& get(const std::string& text) {
    const auto found = by_text_.find(text);
    if (found != by_text_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->program;
    }
    if (entries_.size() >= most_) {
      by_text_.erase(entries_.back().text);
      entries_.pop_back();
    }
    entries_.push_front({text, Program::compile(text)});
    by_text_.emplace(entries_.front().text, entries_.begin());
    return entries_.front().program;
  }
  bool has(const std::string& text) const { return by_text_.contains(text); }

 private:
  struct Entry {
    std::string text;
    Result<std::unique_ptr<Program>> program;
  };
  std::size_t most_;
  std::list<Entry> entries_;  // latest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_text_;
};

}  // namespace postern::relay
