// The bytes of one file, in pages shared between images until one of them changes: a file of zeros
// costs nothing, and keeping what the medium holds beside what readers see costs what differs.
//
// Memory  Pages are shared_ptr on purpose: two images of a file share those that are equal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace synod::sim {

class Image {
 public:
  static constexpr std::size_t page_size = 4096;

  std::uint64_t size() const { return size_; }
  // Shorter only at the end.
  Bytes read(std::uint64_t offset, std::size_t size) const;
  // Extends with zeros as needed.
  void write(std::uint64_t offset, ByteView bytes);
  // Cuts, or extends with zeros; bytes cut off are zeros if the file grows again.
  void resize(std::uint64_t size);

 private:
  using Page = std::array<char, page_size>;

  Page& own(std::size_t index);

  std::uint64_t size_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;  // nullptr is a page of zeros
};

}  // namespace synod::sim
