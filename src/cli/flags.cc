#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <list>

#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/typed.h"

namespace synod::cli {

struct Flags::Impl {
  explicit Impl(const std::string& name, const std::string& about)
      : command(name), app(about, "synod " + name) {
    app.set_help_flag("-h,--help", "print this and exit");
    app.allow_extras(false);
    app.option_defaults()->always_capture_default(false);
  }

  CLI::Option* add(const std::string& name, const std::string& help,
                   const std::function<bool(const std::string&)>& take) {
    names.push_back("--" + name);
    long_names.push_back(name);
    return app.add_option_function<std::string>(
        "--" + name,
        [take, name](const std::string& value) {
          if (!take(value)) {
            throw CLI::ValidationError("--" + name, "cannot take \"" + value + "\"");
          }
        },
        help);
  }

  std::string command;
  CLI::App app;
  std::vector<std::string> names;       // with dashes, for suggestions
  std::vector<std::string> long_names;  // without
  std::list<bool> seen;                 // stable addresses for flags without meaning
};

Flags::Flags(const std::string& command, const std::string& summary)
    : impl_(std::make_unique<Impl>(command, summary)) {}
Flags::~Flags() = default;

namespace {

std::string with_default(const std::string& help, const std::string& value) {
  return value.empty() ? help : help + " [" + value + "]";
}

std::string in_words(Duration d) {
  if (d.nanos() % 1'000'000'000 == 0) {
    return std::to_string(d.seconds()) + "secs";
  }
  return std::to_string(d.millis()) + "ms";
}

}  // namespace

void Flags::text(const std::string& name, std::string* target, const std::string& help) {
  impl_->add(name, with_default(help, *target), [target](const std::string& value) {
    *target = value;
    return true;
  });
}

void Flags::number(const std::string& name, std::int64_t* target, const std::string& help) {
  impl_->add(name, with_default(help, std::to_string(*target)), [target](const std::string& value) {
    const char* last = value.data() + value.size();
    const auto [end, error] = std::from_chars(value.data(), last, *target);
    return error == std::errc() && end == last;
  });
}

void Flags::toggle(const std::string& name, bool* target, const std::string& help) {
  impl_->names.push_back("--" + name);
  impl_->long_names.push_back(name);
  impl_->app.add_flag("--" + name, *target, help);
}

void Flags::list(const std::string& name, std::vector<std::string>* target,
                 const std::string& help) {
  impl_
      ->add(name, help,
            [target](const std::string& value) {
              target->push_back(value);
              return true;
            })
      ->trigger_on_parse();
}

void Flags::duration(const std::string& name, Duration* target, const std::string& help) {
  impl_->add(name, with_default(help, in_words(*target)), [target](const std::string& value) {
    const Result<Duration> parsed = parse_duration(value);
    if (parsed.ok()) {
      *target = *parsed;
    }
    return parsed.ok();
  });
}

void Flags::without_meaning(const std::string& name, const std::string& why) {
  impl_
      ->add(name, "accepted, without effect: " + why,
            [name, why](const std::string&) {
              std::fprintf(stderr, "warning: --%s has no effect here: %s\n", name.c_str(),
                           why.c_str());
              return true;
            })
      ->expected(0, 1);
}

void Flags::rest(const std::string& name, std::vector<std::string>* target,
                 const std::string& help) {
  impl_->app.add_option(name, *target, help);
}

void Flags::command_line(const std::string& name, std::vector<std::string>* target,
                         const std::string& help) {
  rest(name, target, help);
  impl_->app.positionals_at_end(true);
}

void Flags::environment_prefix(const std::string& prefix) {
  for (const std::string& name : impl_->long_names) {
    std::string variable = prefix + name;
    for (char& c : variable) {
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    impl_->app.get_option("--" + name)->envname(variable);
  }
}

void Flags::footer(const std::string& text) { impl_->app.footer(text); }

namespace {

// The first argument that looks like a flag and is none of `known`.
std::string unknown_flag(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& known) {
  for (const std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    if (argument == "--") {
      break;
    }
    if (name.starts_with("--") && name != "--help" &&
        std::find(known.begin(), known.end(), name) == known.end()) {
      return name;
    }
  }
  return "";
}

}  // namespace

std::optional<int> Flags::parse(const std::vector<std::string>& arguments) {
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    impl_->app.parse(reversed);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::fputs(impl_->app.help().c_str(), stdout);
    return exit_success;
  } catch (const CLI::ParseError& error) {
    const std::string unknown = unknown_flag(arguments, impl_->names);
    if (unknown.empty()) {
      std::fprintf(stderr, "synod %s: %s\n", impl_->command.c_str(), error.what());
    } else {
      const auto suggestion = nearest(unknown, impl_->names);
      std::fprintf(stderr, "synod %s: unknown flag %s%s\n", impl_->command.c_str(), unknown.c_str(),
                   suggestion ? ("; did you mean " + *suggestion + "?").c_str() : "");
    }
    const std::string help = as_typed("synod " + impl_->command + " --help");
    std::fprintf(stderr, "try: %s\n", help.c_str());
    return exit_usage;
  }
}

Result<Duration> parse_duration(const std::string& text) {
  struct Unit {
    const char* name;
    std::int64_t nanos;
  };
  static constexpr Unit units[] = {
      {"ns", 1},
      {"us", 1'000},
      {"ms", 1'000'000},
      {"secs", 1'000'000'000},
      {"s", 1'000'000'000},
      {"mins", 60'000'000'000},
      {"m", 60'000'000'000},
      {"hrs", 3'600'000'000'000},
      {"h", 3'600'000'000'000},
      {"days", 86'400'000'000'000},
      {"d", 86'400'000'000'000},
      {"weeks", 604'800'000'000'000},
  };
  double value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  const std::string unit(end, last);
  if (error == std::errc() && std::isfinite(value)) {
    for (const Unit& u : units) {
      const double nanos = value * static_cast<double>(u.nanos);
      if (unit == u.name && std::fabs(nanos) < 9.2e18) {
        return Duration::nanos(std::llround(nanos));
      }
    }
  }
  return Error{ErrorCode::invalid_argument,
               "\"" + text + "\" is not a duration such as 500ms, 10secs or 1mins"};
}

LogLevel log_level_of(const std::string& name) {
  return name == "ERROR"     ? LogLevel::error
         : name == "WARNING" ? LogLevel::warning
         : name == "DEBUG"   ? LogLevel::debug
                             : LogLevel::info;
}

}  // namespace synod::cli
