// Finds the handler of a path and method.
//
// Patterns are paths whose segments may be {name} (one segment) or, last, {name...} (the rest,
// slashes included, perhaps empty); a literal segment wins over a name. What matched stands in
// Request::params. A trailing slash of the request is ignored. Unknown path: 404; known path with
// another method: 405 with Allow. HEAD is served by GET's handler (the Server drops the body).
//
// Threads: confined to the Lane of its Server once serving.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace synod::http {

class Router {
 public:
  // Method "*" takes every method not given to another handler of the same pattern.
  void add(std::string method, std::string pattern, Handler handler);
  // Called where no pattern matches, in place of the plain 404.
  void otherwise(Handler handler) { otherwise_ = std::move(handler); }

  void operator()(Request request, Responder responder) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    Handler handler;
  };
  std::vector<Route> routes_;
  Handler otherwise_;
};

}  // namespace synod::http
