#include "coordinator/slow_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <variant>

#include "znode/command.h"

namespace synod::coordinator {
namespace {

constexpr std::size_t path_shown_max = 200;

std::string shown(std::string path) {
  if (path.size() > path_shown_max) {
    path.resize(path_shown_max);
    path += "...";
  }
  std::replace_if(
      path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, '?');
  return path;
}

std::string path_in(const zkwire::Request& request) {
  return std::visit(
      [](const auto& r) -> std::string {
        if constexpr (requires { std::string(r.path); }) {
          return std::string(r.path);
        } else if constexpr (std::is_same_v<std::decay_t<decltype(r)>, zkwire::MultiRequest>) {
          return fmt::format("({} operations)", r.parts.size());
        } else {
          return "";
        }
      },
      request);
}

std::string line(zkwire::OpCode op, std::string path, SessionId session) {
  return fmt::format("{} {} session=0x{:x}", zkwire::to_string(op), shown(std::move(path)),
                     static_cast<std::uint64_t>(session.value()));
}

}  // namespace

std::string slow_write_text(ByteView command) {
  const Result<znode::Command> decoded = znode::decode_command(command);
  if (!decoded.ok()) {
    return "a write";
  }
  if (const auto* write = std::get_if<znode::ClientWrite>(&decoded->request)) {
    return line(write->op, path_in(write->request), decoded->session);
  }
  return znode::to_string(*decoded);
}

std::string slow_read_text(SessionId session, const zkwire::RequestHeader& header, ByteView body) {
  const auto op = static_cast<zkwire::OpCode>(header.type);
  const Result<zkwire::Request> request = zkwire::decode_request_body(op, body);
  return line(op, request.ok() ? path_in(*request) : "", session);
}

}  // namespace synod::coordinator
