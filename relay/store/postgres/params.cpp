#include "relay/store/postgres/params.hpp"

#include "base/bytes.hpp"

namespace postern::relay::pg {
namespace {

template <class Integer>
void append_big_endian(std::string& out, Integer value) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff));
}

template <class Integer>
void write_big_endian(std::string& out, std::size_t at, Integer value) {
  std::string bytes;
  append_big_endian(bytes, value);
  out.replace(at, bytes.size(), bytes);
}

constexpr std::size_t kHeader = 20;  // dimensions, has nulls, element type, length, lower bound

int width_of(Type type) {
  switch (type) {
    case Type::int2:
      return 2;
    case Type::int4:
      return 4;
    default:
      return 8;
  }
}

/// The length of the UTF-8 sequence that starts at `at`, or 0 when there is no sound one.
std::size_t sound_sequence(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead == 0) return 0;
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const std::string_view sequence = text.substr(at, size);
  return sequence.size() == size && is_utf8(sequence) ? size : 0;
}

}  // namespace

Array::Array(Type element) : element_(element), bytes_(kHeader, '\0') {}

void Array::add(std::int64_t value) {
  ++count_;
  const int width = width_of(element_);
  append_big_endian(bytes_, std::int32_t{width});
  if (width == 2)
    append_big_endian(bytes_, static_cast<std::int16_t>(value));
  else if (width == 4)
    append_big_endian(bytes_, static_cast<std::int32_t>(value));
  else
    append_big_endian(bytes_, value);
}

void Array::add(std::string_view bytes) {
  ++count_;
  if (element_ == Type::text && (!is_utf8(bytes) || bytes.find('\0') != std::string_view::npos)) {
    const std::string mended = valid_text(bytes);
    append_big_endian(bytes_, static_cast<std::int32_t>(mended.size()));
    bytes_ += mended;
    return;
  }
  append_big_endian(bytes_, static_cast<std::int32_t>(bytes.size()));
  bytes_ += bytes;
}

void Array::add_null() {
  ++count_;
  nulls_ = true;
  append_big_endian(bytes_, std::int32_t{-1});
}

std::string Array::take() && {
  // An empty array has no dimension at all.
  write_big_endian(bytes_, 0, std::int32_t{count_ == 0 ? 0 : 1});
  write_big_endian(bytes_, 4, std::int32_t{nulls_ ? 1 : 0});
  write_big_endian(bytes_, 8, static_cast<std::uint32_t>(element_));
  write_big_endian(bytes_, 12, static_cast<std::int32_t>(count_));
  write_big_endian(bytes_, 16, std::int32_t{1});
  if (count_ == 0) bytes_.resize(12);
  return std::move(bytes_);
}

Params::Params(const std::vector<Value>& values) {
  entries_.reserve(values.size());
  for (const Value& value : values) {
    if (const auto* number = std::get_if<std::int64_t>(&value))
      add(*number);
    else if (const auto* text = std::get_if<std::string>(&value))
      add_text(*text);
    else if (const auto* blob = std::get_if<Blob>(&value))
      add_bytes(blob->bytes);
    else
      add_null();
  }
}

/// As text, so that the server takes it for whatever integer type stands there.
Params& Params::add(std::int64_t value) {
  entries_.push_back({std::to_string(value), false, 0});
  return *this;
}
Params& Params::add_text(std::string_view value) {
  entries_.push_back({valid_text(value), false, 0});
  return *this;
}
Params& Params::add_bytes(std::string_view value) {
  entries_.push_back({std::string(value), false, 1});
  return *this;
}
Params& Params::add_null() {
  entries_.push_back({{}, true, 0});
  return *this;
}
Params& Params::add(Array array) {
  entries_.push_back({std::move(array).take(), false, 1});
  return *this;
}

std::vector<const char*> Params::values() const {
  std::vector<const char*> found;
  found.reserve(entries_.size());
  for (const Entry& entry : entries_) found.push_back(entry.null ? nullptr : entry.bytes.c_str());
  return found;
}
std::vector<int> Params::lengths() const {
  std::vector<int> found;
  found.reserve(entries_.size());
  for (const Entry& entry : entries_) found.push_back(static_cast<int>(entry.bytes.size()));
  return found;
}
std::vector<int> Params::formats() const {
  std::vector<int> found;
  found.reserve(entries_.size());
  for (const Entry& entry : entries_) found.push_back(entry.format);
  return found;
}

std::string valid_text(std::string_view text) {
  if (is_utf8(text) && text.find('\0') == std::string_view::npos) return std::string(text);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = sound_sequence(text, at);
    out += size == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(at, size);
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}

std::string with_dollars(std::string_view sql) {
  std::string out(sql);
  for (std::size_t i = 0; i + 1 < out.size(); ++i) {
    if (out[i] == '?' && out[i + 1] >= '0' && out[i + 1] <= '9') out[i] = '$';
  }
  return out;
}

}  // namespace postern::relay::pg
