// Requests and responses as values. Bytes in both directions; no meaning.
//
// Source   RFC 9110 (semantics), RFC 9112 (HTTP/1.1).
// Threads  plain values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "ports/stream.h"

namespace synod::http {

// Header fields in the order of the wire; names compare without regard to case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  // The first field of that name; nullptr if absent.
  const std::string* find(std::string_view name) const;
  // The first field of that name, or "".
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // Replaces all fields of that name by one.
  void set(std::string_view name, std::string value);
  void add(std::string name, std::string value);
  void remove(std::string_view name);

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

bool equals_ignoring_case(std::string_view a, std::string_view b);

struct Request {
  std::string method = "GET";  // as on the wire: upper case by custom, compared exactly
  std::string target = "/";    // path and query as on the wire
  Headers headers;
  Bytes body;

  // Filled in by the Server, unused by the Client.
  std::string path;                           // percent-decoded, without the query
  std::map<std::string, std::string> query;   // decoded; the last of equal names wins
  std::map<std::string, std::string> params;  // what Router's {names} matched
  ports::Peer peer;
};

struct Response {
  int status = 200;
  Headers headers;
  Bytes body;
};

// "Not Found"; "Unknown" for numbers without a name.
const char* reason_of(int status);

// A body of text/plain (as Mesos answers errors) or application/json.
Response text_response(int status, std::string body);
Response json_response(int status, std::string body);
// {"error":"..."} with the status: what our own endpoints answer when they refuse.
Response error_response(int status, std::string_view message);
// A 307 to the location.
Response redirect_response(std::string location);

// Percent-decoding of a path or query component; nullopt if malformed. `plus_is_space` for queries.
enum class Plus { literal, space };
std::optional<std::string> percent_decode(std::string_view text, Plus plus);
// Everything but unreserved characters (RFC 3986, section 2.3) as %XX.
std::string percent_encode(std::string_view text);
// "a=1&b=2", decoded; malformed parts are taken literally.
std::map<std::string, std::string> parse_query(std::string_view query);

}  // namespace synod::http
