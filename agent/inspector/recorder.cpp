#include "agent/inspector/recorder.hpp"

namespace postern::agent::inspector {
namespace {

constexpr std::size_t kHeaderCost = 2 * sizeof(std::string);

std::size_t size_of(const http::Headers& headers) {
  std::size_t bytes = 0;
  for (const auto& header : headers) bytes += header.name.size() + header.value.size() + kHeaderCost;
  return bytes;
}

std::size_t size_of(const Record& record) {
  std::size_t bytes = sizeof(Record) + record.request.host.size() + record.request.method.size() +
                      record.request.target.size() + size_of(record.request.headers) +
                      record.response_body.bytes.size();
  if (record.request_body) bytes += record.request_body->bytes.size();
  if (record.result)
    bytes += record.result->error_code.size() + record.result->error_message.size() +
             size_of(record.result->headers);
  return bytes;
}

}  // namespace

std::uint64_t Recorder::began(const tunnel::DeliverHead& head, std::optional<std::uint64_t> resend_of) {
  if (forgets_) return next_++;
  Record record;
  record.number = next_++;
  record.at = clock_.now();
  record.began = clock_.steady();
  record.resend_of = resend_of;
  record.request = head;
  bytes_ += size_of(record);
  records_.push_back(std::move(record));
  change(records_.back());
  return next_ - 1;
}

void Recorder::body(std::uint64_t number, std::string_view bytes) {
  Record* record = look_up(number);
  if (!record || record->request_body) return;
  record->request_body = keep(bytes);
  bytes_ += record->request_body->bytes.size();
  change(*record);
}

void Recorder::ended(std::uint64_t number, const tunnel::ResultHead* result, std::string_view body) {
  Record* record = look_up(number);
  if (!record || record->took) return;
  record->took = clock_.steady() - record->began;
  bytes_ -= size_of(*record);
  if (result) {
    record->result = *result;
    record->response_body = keep(body);
  }
  bytes_ += size_of(*record);
  change(*record);
}

void Recorder::forget() {
  forgets_ = true;
  records_.clear();
  bytes_ = 0;
}

const Record* Recorder::find(std::uint64_t number) const {
  if (records_.empty() || number < records_.front().number || number >= next_) return nullptr;
  return &records_[number - records_.front().number];
}

Record* Recorder::look_up(std::uint64_t number) {
  return const_cast<Record*>(std::as_const(*this).find(number));
}

unsigned Recorder::count_resend(std::uint64_t number) {
  Record* record = look_up(number);
  if (!record) return 1;
  Record* original = record->resend_of ? look_up(*record->resend_of) : nullptr;
  Record& counted = original ? *original : *record;
  const unsigned count = ++counted.resends;
  change(counted);
  return count;
}

KeptBody Recorder::keep(std::string_view bytes) {
  return {std::string(bytes.substr(0, limits_.body_bytes)), bytes.size()};
}

/// The record may be gone afterwards.
void Recorder::change(Record& record) {
  record.revision = ++revision_;
  make_room();
  if (changed_) changed_();
}

void Recorder::make_room() {
  while (!records_.empty() && (records_.size() > limits_.records || bytes_ > limits_.bytes)) {
    bytes_ -= size_of(records_.front());
    records_.pop_front();
  }
}

Recording::Recording(std::shared_ptr<Recorder> recorder, const tunnel::DeliverHead& head,
                     std::optional<std::uint64_t> resend_of)
    : recorder_(std::move(recorder)) {
  if (recorder_) number_ = recorder_->began(head, resend_of);
}

Recording& Recording::operator=(Recording&& other) noexcept {
  if (this == &other) return *this;
  give_up();
  recorder_ = std::move(other.recorder_);
  number_ = other.number_;
  return *this;
}

void Recording::body(std::string_view bytes) {
  if (recorder_) recorder_->body(number_, bytes);
}

void Recording::ended(const tunnel::ResultHead& result, std::string_view body) {
  if (const auto recorder = std::move(recorder_)) recorder->ended(number_, &result, body);
}

void Recording::give_up() {
  if (const auto recorder = std::move(recorder_)) recorder->ended(number_, nullptr, {});
}

}  // namespace postern::agent::inspector
