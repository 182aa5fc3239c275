#include "tests/bench/load_request.hpp"

#include <cstring>

#include "base/bytes.hpp"

namespace postern::bench {
namespace {

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string make_body(std::size_t size, std::uint64_t number) {
  std::string body = fmt::format(
      R"({{"id":"evt_{:016x}{:08x}","object":"event","type":"invoice.paid","data":{{"object":{{"amount_paid":4200}}}},"pad":")",
      wall_ns(), number);
  body.append(size > body.size() + 2 ? size - body.size() - 2 : 0, 'x');
  body += "\"}";
  return body;
}

std::string sign(Mac& mac, std::string_view stamp, std::string_view body) {
  mac.update(stamp);
  mac.update(".");
  mac.update(body);
  return hex_encode(mac.finish());
}

std::string write_request(const Options& options, std::string_view stamp, std::string_view signature,
                          std::string_view body) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nUser-Agent: Stripe/1.0\r\n"
      "Stripe-Signature: t={},v1={}\r\nX-Bench-Sent: {}\r\nContent-Length: {}\r\n\r\n{}",
      options.path, options.host, options.port, stamp, signature, wall_ns(), body.size(), body);
}

std::string stamp_now() {
  return std::to_string(wall_ns() / 1'000'000'000);
}

}  // namespace

std::string make_request(const Options& options, Mac& mac, std::uint64_t number) {
  const std::string body = make_body(options.size, number);
  const std::string stamp = stamp_now();
  return write_request(options, stamp, sign(mac, stamp, body), body);
}

SignedRequests::SignedRequests(const Options& options, std::uint32_t count) {
  const std::string stamp = stamp_now();
  const std::string body = make_body(options.size, 0);
  text_ = write_request(options, stamp, std::string(kSignature, '0'), body);
  signature_at_ = text_.find(",v1=") + 4;
  number_at_ = text_.size() - body.size() + std::string_view(R"({"id":"evt_0123456789abcdef)").size();
  Mac mac(Digest::sha256, options.secret);
  signatures_.reserve(count * kSignature);
  for (std::uint32_t number = 0; number < count; ++number) {
    put_number(number);
    signatures_ += sign(mac, stamp, std::string_view(text_).substr(text_.size() - body.size()));
  }
}

std::string_view SignedRequests::request(std::uint32_t number) {
  put_number(number);
  std::memcpy(text_.data() + signature_at_, signatures_.data() + number * kSignature, kSignature);
  return text_;
}

void SignedRequests::put_number(std::uint32_t number) {
  for (std::size_t i = 0; i < kNumber; ++i)
    text_[number_at_ + i] = "0123456789abcdef"[(number >> (28 - 4 * i)) & 15];
}

std::size_t answer_length(std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  constexpr std::string_view kName = "\r\nContent-Length: ";
  const auto at = bytes.substr(0, end).find(kName);
  std::size_t whole = end + 4;
  if (at != std::string_view::npos) {
    const auto rest = bytes.substr(at + kName.size());
    whole += parse_u64(rest.substr(0, rest.find('\r'))).value_or(0);
  }
  return bytes.size() < whole ? 0 : whole;
}

}  // namespace postern::bench
