// The part of Views that reads sandboxes, on the journal Lane.
#include <charconv>
#include <memory>

#include "agent/files.h"
#include "agent/node.h"
#include "agent/views.h"
#include "containerizer/paths.h"

namespace synod::agent {

namespace {

using http::Json;

constexpr std::uint64_t piece_size_otherwise = 64 << 10;
constexpr std::uint64_t piece_size_max = 1 << 20;
constexpr std::uint64_t download_size_max = 64 << 20;

std::int64_t number_of(const http::Request& request, const char* name, std::int64_t otherwise) {
  const auto it = request.query.find(name);
  if (it == request.query.end()) {
    return otherwise;
  }
  std::int64_t value = otherwise;
  std::from_chars(it->second.data(), it->second.data() + it->second.size(), value);
  return value;
}

std::string text_of(const http::Request& request, const char* name, const char* otherwise = "") {
  const auto it = request.query.find(name);
  return it == request.query.end() ? otherwise : it->second;
}

int status_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::not_found: return 404;
    case ErrorCode::permission_denied: return 403;
    case ErrorCode::invalid_argument:
    case ErrorCode::too_large: return 400;
    default: return 500;
  }
}

// A Responder that may be carried through a copyable task.
using SharedResponder = std::shared_ptr<http::Responder>;

// Makes the answer on the journal Lane and gives it on the main one.
void answer_from_disk(const NodePorts& ports, http::Responder responder,
                      std::function<Result<http::Response>(ports::Disk&)> make) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  post_surely(
      ports.lane, ports.journal_lane,
      [lane = &ports.lane, journal_lane = &ports.journal_lane, disk = &ports.disk, shared, make] {
        auto answer = make(*disk);
        http::Response response =
            answer.ok() ? std::move(*answer)
                        : http::error_response(status_of(answer.error()), answer.error().message);
        post_surely(*journal_lane, *lane,
                    [shared, response]() mutable { shared->respond(std::move(response)); });
      });
}

}  // namespace

void Views::logs(const http::Request& request, http::Responder responder) {
  const std::string task_id = text_of(request, "task");
  const std::string stream = text_of(request, "stream", "stdout");
  if (task_id.empty() || task_id.find('/') != std::string::npos || task_id == "." ||
      task_id == ".." || (stream != "stdout" && stream != "stderr")) {
    return responder.respond(http::error_response(400, "expected ?task=ID&stream=stdout|stderr"));
  }
  const std::string framework = text_of(request, "framework");
  if (framework.find('/') != std::string::npos || framework == "..") {
    return responder.respond(http::error_response(400, "framework is no id"));
  }
  const core::Core& core = *node_.core_;
  std::optional<FoundSandbox> known;
  bool running = false;
  for (const auto& [key, task] : core.tasks()) {
    if (key.task != task_id || (!framework.empty() && key.framework != framework) ||
        !task.container) {
      continue;
    }
    const containerizer::SandboxKey sandbox{core.agent_id(), key.framework, task.executor,
                                            to_string(*task.container)};
    known = FoundSandbox{key.framework, task.executor, sandbox.container_id,
                         containerizer::sandbox_directory(node_.options_.work_dir, sandbox)};
    running = !is_terminal(task.state);
  }
  PieceRequest piece;
  piece.relative = stream;
  piece.offset = number_of(request, "offset", 0);
  const std::int64_t length = number_of(request, "length", piece_size_otherwise);
  piece.length =
      std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(length, 0)), piece_size_max);
  piece.absent_is_empty = true;
  piece.whole_characters = true;
  answer_from_disk(
      node_.ports_, std::move(responder),
      [piece, known, running, task_id, stream, framework, work_dir = node_.options_.work_dir,
       agent_id = core.agent_id()](ports::Disk& disk) mutable -> Result<http::Response> {
        if (!known) {
          SYNOD_TRY_ASSIGN(known, find_sandbox(disk, work_dir, agent_id, framework, task_id));
        }
        piece.sandbox = known->directory;
        SYNOD_TRY_ASSIGN(const Piece got, read_piece(disk, piece));
        Json out = Json::object();
        out.set("task", task_id);
        out.set("framework_id", known->framework_id);
        out.set("container_id", known->container_id);
        out.set("stream", stream);
        out.set("offset", got.offset);
        out.set("next_offset", got.next_offset);
        out.set("size", got.size);
        out.set("running", running);
        out.set("data", printable(got.data));
        return http::json_response(200, to_string(out));
      });
}

void Views::files_read(const http::Request& request, http::Responder responder) {
  const auto path =
      split_path(node_.options_.work_dir, node_.core_->agent_id(), text_of(request, "path"));
  if (!path) {
    return responder.respond(http::text_response(404, "Failed to find path"));
  }
  const std::int64_t offset = number_of(request, "offset", -1);
  const std::int64_t length = number_of(request, "length", -1);
  PieceRequest piece;
  piece.sandbox = path->sandbox;
  piece.relative = path->relative;
  piece.offset = std::max<std::int64_t>(offset, 0);
  piece.length = length < 0 ? piece_size_otherwise
                            : std::min(static_cast<std::uint64_t>(length), piece_size_otherwise);
  answer_from_disk(node_.ports_, std::move(responder),
                   [piece, offset](ports::Disk& disk) -> Result<http::Response> {
                     SYNOD_TRY_ASSIGN(const Piece got, read_piece(disk, piece));
                     // Mesos: offset -1 asks for the size.
                     Json out = Json::object();
                     out.set("data", offset < 0 ? std::string() : printable(got.data));
                     out.set("offset", offset < 0 ? got.size : got.offset);
                     return http::json_response(200, to_string(out));
                   });
}

void Views::files_browse(const http::Request& request, http::Responder responder) {
  const std::string asked = text_of(request, "path");
  const auto path = split_path(node_.options_.work_dir, node_.core_->agent_id(), asked);
  if (!path || !path->relative.empty()) {
    return responder.respond(http::text_response(404, "Failed to find path"));
  }
  answer_from_disk(node_.ports_, std::move(responder),
                   [sandbox = path->sandbox, asked](ports::Disk& disk) -> Result<http::Response> {
                     SYNOD_TRY_ASSIGN(const auto names, disk.list(sandbox));
                     Json out = Json::array();
                     for (const std::string& name : names) {
                       auto file = disk.open_beneath(sandbox, name);
                       if (!file.ok()) {
                         continue;
                       }
                       auto size = (*file)->size();
                       Json one = Json::object();
                       one.set("path", asked + "/" + name);
                       one.set("nlink", 1);
                       one.set("size", size.ok() ? *size : 0);
                       one.set("mode", "-rw-r--r--");
                       out.push(std::move(one));
                     }
                     return http::json_response(200, to_string(out));
                   });
}

void Views::files_download(const http::Request& request, http::Responder responder) {
  const auto path =
      split_path(node_.options_.work_dir, node_.core_->agent_id(), text_of(request, "path"));
  if (!path) {
    return responder.respond(http::text_response(404, "Failed to find path"));
  }
  PieceRequest piece;
  piece.sandbox = path->sandbox;
  piece.relative = path->relative;
  piece.length = download_size_max;
  answer_from_disk(node_.ports_, std::move(responder),
                   [piece](ports::Disk& disk) -> Result<http::Response> {
                     SYNOD_TRY_ASSIGN(Piece got, read_piece(disk, piece));
                     http::Response response;
                     response.headers.set("Content-Type", "application/octet-stream");
                     response.body = std::move(got.data);
                     return response;
                   });
}

}  // namespace synod::agent
