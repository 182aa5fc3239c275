#pragma once
#include <string>
#include <string_view>
#include <utility>

extern "C" {
#include <jq.h>
}

namespace postern::relay {

/// Owns one reference to a value of libjq. Functions of libjq take the references they are given: pass
/// `copy()` to keep this one, `release()` to give it away.
class Jv {
 public:
  explicit Jv(jv value) : value_(value) {}
  ~Jv() { jv_free(value_); }
  Jv(Jv&& other) noexcept : value_(std::exchange(other.value_, jv_null())) {}
  Jv& operator=(Jv&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  Jv(const Jv&) = delete;
  Jv& operator=(const Jv&) = delete;

  jv copy() const { return jv_copy(value_); }
  jv release() { return std::exchange(value_, jv_null()); }
  jv_kind kind() const { return jv_get_kind(value_); }
  bool valid() const { return kind() != JV_KIND_INVALID; }
  /// jq's truth: everything but false and null.
  bool truthy() const { return valid() && kind() != JV_KIND_FALSE && kind() != JV_KIND_NULL; }

  /// Of a string. Stands while this value does.
  std::string_view text() const {
    return {jv_string_value(value_), static_cast<std::size_t>(jv_string_length_bytes(copy()))};
  }

 private:
  jv value_;
};

inline Jv jv_text(std::string_view text) {
  return Jv(jv_string_sized(text.data(), static_cast<int>(text.size())));
}

}  // namespace postern::relay
