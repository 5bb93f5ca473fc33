#include "sim/image.h"

#include <algorithm>
#include <cstring>

namespace synod::sim {
namespace {

constexpr std::array<char, Image::page_size> no_bytes{};

}  // namespace

Bytes Image::read(std::uint64_t offset, std::size_t size) const {
  if (offset >= size_) {
    return {};
  }
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset));
  Bytes result(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const auto index = static_cast<std::size_t>((offset + done) / page_size);
    const auto within = static_cast<std::size_t>((offset + done) % page_size);
    const std::size_t part = std::min(count - done, page_size - within);
    if (pages_[index] != nullptr) {
      std::memcpy(result.data() + done, pages_[index]->data() + within, part);
    }
    done += part;
  }
  return result;
}

void Image::write(std::uint64_t offset, ByteView bytes) {
  if (offset + bytes.size() > size_) {
    resize(offset + bytes.size());
  }
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto index = static_cast<std::size_t>((offset + done) / page_size);
    const auto within = static_cast<std::size_t>((offset + done) % page_size);
    const std::size_t part = std::min(bytes.size() - done, page_size - within);
    const ByteView piece = bytes.substr(done, part);
    const bool zeros = std::memcmp(piece.data(), no_bytes.data(), part) == 0;
    if (pages_[index] != nullptr || !zeros) {
      std::memcpy(own(index).data() + within, piece.data(), part);
    }
    done += part;
  }
}

void Image::resize(std::uint64_t size) {
  if (size < size_) {
    const auto within = static_cast<std::size_t>(size % page_size);
    const auto index = static_cast<std::size_t>(size / page_size);
    if (within != 0 && pages_[index] != nullptr) {
      std::memset(own(index).data() + within, 0, page_size - within);
    }
  }
  size_ = size;
  pages_.resize(static_cast<std::size_t>((size + page_size - 1) / page_size));
}

Image::Page& Image::own(std::size_t index) {
  std::shared_ptr<Page>& page = pages_[index];
  if (page == nullptr) {
    page = std::make_shared<Page>();
    page->fill(0);
  } else if (page.use_count() != 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

}  // namespace synod::sim
