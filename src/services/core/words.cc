#include "services/core/words.h"

#include <algorithm>

namespace synod::services::core {
namespace {

std::string in_words(Duration d) {
  if (d.millis() % 1000 == 0) {
    return std::to_string(d.seconds()) + " s";
  }
  return std::to_string(d.millis()) + " ms";
}

}  // namespace

std::string lived_in_words(Duration lived) {
  return lived < Duration::seconds(10) ? std::to_string(lived.millis()) + " ms"
                                       : std::to_string(lived.seconds()) + " s";
}

std::string end_in_words(const Update& event) {
  std::string state = to_string(event.state);
  for (char& c : state) {
    c = static_cast<char>(c - 'a' + 'A');
  }
  state = "TASK_" + state;
  if (event.message.empty()) {
    return state;
  }
  return event.message + " (" + state + (event.source.empty() ? "" : ", from the " + event.source) +
         ")";
}

Duration pause_after(const App& app, std::uint32_t failures) {
  Duration pause = app.backoff_first;
  for (std::uint32_t i = 1; i < failures && pause < app.backoff_max; ++i) {
    pause = pause * 2;
  }
  return std::min(pause, app.backoff_max);
}

std::string restarts_in_words(const App& app, std::uint32_t failures) {
  constexpr std::uint32_t told_max = 2;
  std::string text = "restarting in " + in_words(pause_after(app, failures)) + " (" +
                     std::to_string(failures) + " of " + std::to_string(app.restarts_max) + ")";
  const std::uint32_t left = app.restarts_max - failures;
  for (std::uint32_t i = 1; i <= std::min(left, told_max); ++i) {
    text += (i == 1 ? ", then " : ", ") + in_words(pause_after(app, failures + i));
  }
  return text + (left > told_max ? " ..." : "");
}

}  // namespace synod::services::core
