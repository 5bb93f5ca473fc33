#include "master/subscribers.h"

#include "mesos/recordio.h"

namespace synod::master {

Subscribers::Subscribers(ports::Lane& lane, std::function<void(core::Stream)> gone)
    : lane_(lane), gone_(std::move(gone)) {}

Subscribers::~Subscribers() { cut_all(); }

Subscriber& Subscribers::add(std::string id, mesos::Encoding encoding, bool is_agent,
                             std::unique_ptr<http::ResponseStream> out) {
  const core::Stream stream(++made_);
  Subscriber& subscriber = subscribers_[stream];
  subscriber.stream = stream;
  subscriber.id = std::move(id);
  subscriber.encoding = encoding;
  subscriber.is_agent = is_agent;
  subscriber.out = std::move(out);
  by_id_[subscriber.id] = stream;
  subscriber.out->on_closed(scope_.wrap([this, stream] {
    if (find(stream) != nullptr) {
      forget(stream);
      gone_(stream);
    }
  }));
  return subscriber;
}

Subscriber* Subscribers::find(core::Stream stream) {
  auto it = subscribers_.find(stream);
  return it == subscribers_.end() ? nullptr : &it->second;
}

Subscriber* Subscribers::find(const std::string& id) {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : find(it->second);
}

void Subscribers::write(Subscriber& subscriber, ByteView payload) {
  // A false answer means that the peer is gone or too slow; on_closed tells us on a later turn.
  subscriber.out->write_record(mesos::encode_record(payload));
}

void Subscribers::start_heartbeats(Subscriber& subscriber, Duration interval,
                                   std::function<void(Subscriber&)> beat) {
  beat(subscriber);
  beat_later(subscriber.stream, interval, std::move(beat));
}

void Subscribers::beat_later(core::Stream stream, Duration interval,
                             std::function<void(Subscriber&)> beat) {
  Subscriber* subscriber = find(stream);
  subscriber->heartbeat =
      lane_.after(interval, scope_.wrap([this, stream, interval, beat = std::move(beat)]() mutable {
        Subscriber* still = find(stream);
        if (still != nullptr) {
          beat(*still);
          beat_later(stream, interval, std::move(beat));
        }
      }));
}

void Subscribers::forget(core::Stream stream) {
  auto it = subscribers_.find(stream);
  lane_.cancel(it->second.heartbeat);
  by_id_.erase(it->second.id);
  subscribers_.erase(it);
}

void Subscribers::close(core::Stream stream) {
  if (Subscriber* subscriber = find(stream)) {
    subscriber->out->end();
    forget(stream);
  }
}

void Subscribers::cut_all() {
  for (auto& entry : subscribers_) {
    lane_.cancel(entry.second.heartbeat);
    entry.second.out->cut();
  }
  subscribers_.clear();
  by_id_.clear();
}

}  // namespace synod::master
