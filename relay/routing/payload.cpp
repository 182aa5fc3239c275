#include "relay/routing/payload.hpp"

#include "relay/routing/ruling.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kJson = "application/json";

Jv field(const Jv& object, std::string_view name) {
  return Jv(jv_object_get(object.copy(), jv_text(name).release()));
}

std::unexpected<Error> shape(std::string message) {
  return fail("shape", std::move(message));
}

Result<std::string> json_of(Jv value) {
  const Jv dumped(jv_dump_string(value.release(), 0));
  if (dumped.text().size() > kPayloadBytesMax) {
    return fail("too_large", fmt::format("the transform gave {} bytes; at most {} are sent",
                                         dumped.text().size(), kPayloadBytesMax));
  }
  return std::string(dumped.text());
}

Result<void> add_value(Payload& payload, const std::string& name, const Jv& value) {
  if (value.kind() != JV_KIND_STRING) return shape(fmt::format("the header {} must be a string", name));
  if (name.size() + value.text().size() > kPayloadHeaderBytesMax)
    return shape("the headers are longer than 8 KiB");
  payload.headers.push_back({name, std::string(value.text())});
  return {};
}

Result<void> add_header(Payload& payload, const std::string& name, const Jv& value) {
  if (value.kind() != JV_KIND_ARRAY) return add_value(payload, name, value);
  const int count = jv_array_length(value.copy());
  for (int i = 0; i < count && payload.headers.size() <= kPayloadHeadersMax; ++i) {
    const Jv item(jv_array_get(value.copy(), i));
    if (auto added = add_value(payload, name, item); !added) return added;
  }
  return {};
}

Result<void> add_headers(Payload& payload, const Jv& headers) {
  if (!headers.valid()) return {};
  if (headers.kind() != JV_KIND_OBJECT) return shape("$headers must be an object");
  const Jv names(jv_keys(headers.copy()));
  const int count = jv_array_length(names.copy());
  for (int i = 0; i < count && payload.headers.size() <= kPayloadHeadersMax; ++i) {
    const Jv name(jv_array_get(names.copy(), i));
    const std::string text(name.text());
    if (auto added = add_header(payload, text, field(headers, text)); !added) return added;
  }
  return {};
}

Result<void> check_keys(const Jv& object) {
  const Jv names(jv_keys(object.copy()));
  const int count = jv_array_length(names.copy());
  for (int i = 0; i < count; ++i) {
    const Jv name(jv_array_get(names.copy(), i));
    const std::string_view text = name.text();
    if (text != "$body" && text != "$headers" && text != "$content_type") {
      return shape(fmt::format("beside $body there can be $headers and $content_type, not {}", text));
    }
  }
  return {};
}

/// {"$body": …}
Result<Payload> described(const Jv& object) {
  if (auto keys = check_keys(object); !keys) return std::unexpected(keys.error());
  Payload payload;
  const Jv type = field(object, "$content_type");
  if (type.valid() && type.kind() != JV_KIND_STRING) return shape("$content_type must be a string");
  const Jv named = type.valid() ? Jv(type.copy()) : jv_text(kJson);
  if (auto added = add_value(payload, "Content-Type", named); !added) return std::unexpected(added.error());
  if (auto added = add_headers(payload, field(object, "$headers")); !added)
    return std::unexpected(added.error());
  Jv body = field(object, "$body");
  if (type.valid() && body.kind() == JV_KIND_STRING) {
    if (body.text().size() > kPayloadBytesMax) return fail("too_large", "the transform gave more than 1 MiB");
    payload.body = body.text();
    return payload;
  }
  auto json = json_of(std::move(body));
  if (!json) return std::unexpected(json.error());
  payload.body = std::move(*json);
  return payload;
}

bool has_marks(const Jv& value) {
  for (const char* mark : {"$body", "$headers", "$content_type"}) {
    if (jv_object_has(value.copy(), jv_string(mark))) return true;
  }
  return false;
}

}  // namespace

Result<Payload> payload_of(Jv value) {
  if (value.kind() == JV_KIND_OBJECT && has_marks(value)) {
    if (!field(value, "$body").valid()) return shape("$headers and $content_type need a $body beside them");
    return described(value);
  }
  auto json = json_of(std::move(value));
  if (!json) return std::unexpected(json.error());
  return Payload{std::move(*json), {{"Content-Type", std::string(kJson)}}};
}

}  // namespace postern::relay
