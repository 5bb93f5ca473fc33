#include "test/script/kept.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace synod::script {
namespace {

constexpr std::size_t line_size = 16;

std::string dump(ByteView bytes) {
  std::string text = fmt::format("size {:x}\n", bytes.size());
  for (std::size_t i = 0; i < bytes.size(); i += line_size) {
    const ByteView line = bytes.substr(i, line_size);
    if (line.find_first_not_of('\0') != ByteView::npos) {
      text += fmt::format("{:06x}: {}\n", i, to_hex(line));
    }
  }
  return text;
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

Bytes read_kept(const std::string& path) {
  std::istringstream in(text_of(path));
  std::string word;
  std::size_t size = 0;
  in >> word >> std::hex >> size;
  Bytes bytes(size, '\0');
  std::size_t offset = 0;
  char colon = 0;
  while (in >> offset >> colon >> word) {
    for (std::size_t i = 0; i + 1 < word.size(); i += 2) {
      bytes.at(offset + i / 2) = static_cast<char>(std::stoi(word.substr(i, 2), nullptr, 16));
    }
  }
  return bytes;
}

void expect_kept(const std::string& path, ByteView bytes) {
  if (std::getenv("SYNOD_REWRITE") != nullptr) {
    std::ofstream(path) << dump(bytes);
  }
  EXPECT_EQ(dump(bytes), text_of(path)) << path;
}

}  // namespace synod::script
