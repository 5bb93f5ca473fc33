#include "agent/journal.h"

namespace synod::agent {

namespace {

constexpr Duration full_retry = Duration::seconds(1);
constexpr std::uint64_t compact_bytes_min = 1 << 20;
constexpr std::uint64_t compact_factor = 4;

}  // namespace

JournalWriter::JournalWriter(ports::Lane& lane, std::unique_ptr<storage::RecordJournal> journal,
                             JournalHandler handler)
    : lane_(lane), journal_(std::move(journal)), handler_(std::move(handler)) {}

JournalWriter::~JournalWriter() { lane_.cancel(retry_timer_); }

void JournalWriter::append(std::uint64_t seq, Bytes record) {
  if (failed_) {
    return;
  }
  journal_->append(record);
  appended_ = seq;
  flush_later();
}

// Group commit without a timer: what other turns posted before this one runs is flushed with it.
void JournalWriter::flush_later() {
  if (!flush_posted_ && !full_) {
    flush_posted_ = true;
    lane_.after(Duration(), scope_.wrap([this] { flush(); }));
  }
}

void JournalWriter::flush() {
  flush_posted_ = false;
  if (failed_) {
    return;
  }
  if (const Status flushed = journal_->flush(); !flushed.ok()) {
    retry_later(flushed.error());
    return;
  }
  if (full_) {
    full_ = false;
    handler_.full(false);
  }
  if (appended_ > told_) {
    told_ = appended_;
    handler_.durable(told_);
  }
}

void JournalWriter::retry_later(const Error& error) {
  if (error.code != ErrorCode::full || journal_->fenced()) {
    failed_ = true;
    handler_.failed(error);
    return;
  }
  if (!full_) {
    full_ = true;
    handler_.full(true);
  }
  retry_timer_ = lane_.after(full_retry, scope_.wrap([this] { flush(); }));
}

void JournalWriter::compact(std::uint64_t seq, const std::vector<Bytes>& records) {
  if (failed_ || full_) {
    return;
  }
  if (const Status done = journal_->compact(records); !done.ok()) {
    // The old journal stands and goes on; there may be room another time.
    lane_.log().warning("agent", "the journal was not rewritten: {}", to_string(done.error()));
    if (journal_->fenced()) {
      failed_ = true;
      handler_.failed(done.error());
    }
    return;
  }
  appended_ = seq;
  told_ = seq;
  handler_.durable(seq);
}

bool JournalWriter::is_long() const {
  return journal_->size_bytes() > compact_bytes_min &&
         journal_->size_bytes() > compact_factor * journal_->compacted_size_bytes();
}

}  // namespace synod::agent
