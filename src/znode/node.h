// One znode in one block of memory: its numbers, then its name, then its data.
//
// Nodes are many and most are leaves that never had children, so what only others need stands in a
// block of its own (Below), and names and data of no two nodes cost an allocation each.
//
// Purity  Pure. Memory: 72 bytes, name and data; 56 and a list (child_list.h) once it had children
//         or its access list was changed.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "zkwire/records.h"
#include "znode/child_list.h"

namespace synod::znode {

// Owner values that are no session. Frozen: they are ZooKeeper's.
inline constexpr std::int64_t owner_container = INT64_MIN;
// The TTL of an owner value, or -1 if it is none. Top byte 0xff, next 16 bits 0, low 40 bits ms.
std::int64_t ttl_of_owner(std::int64_t owner);
std::int64_t owner_of_ttl(std::int64_t ttl_ms);
inline constexpr std::int64_t ttl_ms_max = (std::int64_t{1} << 40) - 1;

// Whether it is that of a session: the node is ephemeral.
bool is_session(std::int64_t owner);

// A node to be made.
struct NewNode {
  zkwire::Buffer data;
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t pzxid = 0;
  std::int64_t ctime = 0;  // ms since 1970
  std::int64_t mtime = 0;
  std::int64_t owner = 0;  // as stored: session, container or TTL
  std::int32_t version = 0;
  std::int32_t cversion = 0;  // as stored: children ever created
  std::int32_t aversion = 0;
};

// What a leaf does without.
struct Below {
  std::int64_t pzxid = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::uint32_t descendants = 0;
  ChildList children;
};

class Node {
 public:
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t ctime = 0;
  std::int64_t mtime = 0;
  std::int64_t owner = 0;
  std::uint64_t data_hash = 0;
  std::int32_t version = 0;
  std::uint32_t acl = 0;  // in the tree's table of lists

  // Without acl and hash.
  static NodePtr make(std::string_view name, const NewNode& values);
  // Another with the same name and numbers and with what is below `node`, which is left bare.
  static NodePtr make_from(Node& node, const zkwire::Buffer& data);

  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  std::string_view name() const { return {tail(), name_size_}; }
  ByteView data() const { return {tail() + name_size_, data_null() ? 0 : data_size_}; }
  bool data_null() const { return data_size_ == no_data; }
  zkwire::Buffer buffer() const;
  // Precondition: as large as before, and there was data.
  void overwrite(ByteView data);

  std::int64_t pzxid() const { return below_ == nullptr ? czxid : below_->pzxid; }
  std::int32_t cversion() const { return below_ == nullptr ? 0 : below_->cversion; }
  std::int32_t aversion() const { return below_ == nullptr ? 0 : below_->aversion; }
  std::uint32_t descendants() const { return below_ == nullptr ? 0 : below_->descendants; }
  std::size_t num_children() const { return below_ == nullptr ? 0 : below_->children.size(); }
  // nullptr: it never had any.
  const ChildList* children() const { return below_ == nullptr ? nullptr : &below_->children; }
  Below& below();  // made if it is not there
  std::unique_ptr<Below> take_below() { return std::move(below_); }

  bool is_ephemeral() const { return is_session(owner); }
  zkwire::Stat stat() const;  // as clients see it

 private:
  friend struct FreeNode;
  static constexpr std::uint32_t no_data = UINT32_MAX;

  Node(std::string_view name, const zkwire::Buffer& data);
  ~Node() = default;
  static NodePtr allocate(std::string_view name, const zkwire::Buffer& data);
  char* tail() { return reinterpret_cast<char*>(this + 1); }
  const char* tail() const { return reinterpret_cast<const char*>(this + 1); }

  std::unique_ptr<Below> below_;
  std::uint32_t name_size_;
  std::uint32_t data_size_;
};

}  // namespace synod::znode
