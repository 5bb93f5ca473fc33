// Every target with its seeds, its corpus and mutations of both, so that each build of ours, the
// sanitizers' too, replays what the fuzzers have found.
//
// SYNOD_REWRITE=1 in the environment writes the seeds into the corpus: the fuzzers start there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/checksum.h"
#include "base/prng.h"
#include "fuzz/fuzz.h"

namespace synod::fuzz {

std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

namespace {

constexpr int mutations_per_input = 120;

std::filesystem::path corpus_of(const Target& target) {
  return std::filesystem::path(SYNOD_SOURCE_DIR) / "corpus" / target.name;
}

void rewrite(const Target& target) {
  std::filesystem::create_directories(corpus_of(target));
  int number = 0;
  for (const Bytes& seed : target.seeds()) {
    std::ofstream(corpus_of(target) / fmt::format("seed-{:02}", number++), std::ios::binary)
        << seed;
  }
}

std::vector<Bytes> inputs_of(const Target& target) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(corpus_of(target))) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> inputs = target.seeds();
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return inputs;
}

Bytes mutated(Bytes bytes, const std::vector<Bytes>& others, Prng& prng) {
  const std::uint64_t times = 1 + prng.below(4);
  for (std::uint64_t i = 0; i < times; ++i) {
    const std::size_t at = prng.below(bytes.size() + 1);
    switch (prng.below(6)) {
      case 0: bytes.resize(at); break;
      case 1: bytes.insert(at, 1 + prng.below(8), static_cast<char>(prng.next())); break;
      case 2: bytes.erase(at, 1 + prng.below(8)); break;
      case 3: {
        const Bytes& other = others[prng.below(others.size())];
        bytes = bytes.substr(0, at) + other.substr(prng.below(other.size() + 1));
        break;
      }
      case 4:
        if (at < bytes.size()) {
          constexpr char telling[] = {0, 1, -1, 0x7f, -128, '"', '{', '\n'};
          bytes[at] = telling[prng.below(sizeof telling)];
        }
        break;
      default:
        if (at < bytes.size()) {
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << prng.below(8)));
        }
    }
  }
  return bytes;
}

class Replay : public testing::TestWithParam<Target> {};

TEST_P(Replay, SurvivesItsCorpus) {
  const Target& target = GetParam();
  if (std::getenv("SYNOD_REWRITE") != nullptr) {
    rewrite(target);
  }
  ASSERT_TRUE(std::filesystem::is_directory(corpus_of(target))) << corpus_of(target);
  const std::vector<Bytes> inputs = inputs_of(target);
  ASSERT_FALSE(inputs.empty());
  Prng prng(hash64(target.name));
  target.one("");
  for (const Bytes& input : inputs) {
    target.one(input);
    for (int i = 0; i < mutations_per_input; ++i) {
      target.one(mutated(input, inputs, prng));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, testing::ValuesIn(targets()),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace synod::fuzz
