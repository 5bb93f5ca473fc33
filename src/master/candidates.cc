#include "master/candidates.h"

#include <algorithm>

#include "election/names.h"

namespace synod::master {

namespace {
constexpr Duration look_again = Duration::seconds(1);
}

Candidates::Candidates(ports::Lane& lane, zkclient::Client& client, std::string path,
                       std::function<void(std::vector<Identity>)> changed)
    : lane_(lane), client_(client), path_(std::move(path)), changed_(std::move(changed)) {}

void Candidates::look() {
  client_.get_children(path_, scope_.wrap([this](const zkwire::WatcherEvent&) { look(); }),
                       scope_.wrap([this](zkclient::Answer<zkclient::Children> answer) {
                         if (answer.ok()) {
                           listed(std::move(answer->names));
                         } else {
                           lane_.after(look_again, scope_.wrap([this] { look(); }));
                         }
                       }));
}

void Candidates::listed(std::vector<std::string> names) {
  std::erase_if(names, [](const std::string& name) { return !election::candidate_sequence(name); });
  std::erase_if(known_, [&names](const auto& entry) {
    return std::find(names.begin(), names.end(), entry.first) == names.end();
  });
  for (const std::string& name : names) {
    if (known_.count(name) > 0) {
      continue;
    }
    ++reading_;
    client_.get_data(path_ + '/' + name, nullptr,
                     scope_.wrap([this, name](zkclient::Answer<zkclient::Data> answer) {
                       --reading_;
                       const auto identity =
                           answer.ok() ? read_candidate_data(answer->data) : std::nullopt;
                       if (identity) {
                         known_[name] = *identity;
                       }
                       tell();
                     }));
  }
  tell();
}

void Candidates::tell() {
  if (reading_ > 0) {
    return;
  }
  std::vector<Identity> all;
  for (const auto& entry : known_) {
    all.push_back(entry.second);
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return address_of(a) < address_of(b); });
  changed_(std::move(all));
}

}  // namespace synod::master
