// The text forms of the command line: --resources and --attributes.
//
// Source  mesos.md 9.1. The JSON form of --resources is read in translate.
// Errors  Every malformed text is an Error{invalid_argument} that names the offending part; any
//         byte string gets an answer.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "resources/resources.h"
#include "resources/role.h"

namespace synod::resources {

// "cpus:2;mem(eng):1024;ports:[31000-32000,33000-33100];disks:{a,b}". Blanks are allowed between
// the parts. A name given twice is added up and must keep its type; "name(role)" is reserved to
// the role, as is what names none when `role_otherwise` is not "*". Zero amounts disappear.
Result<Resources> parse_resources(std::string_view text,
                                  std::string_view role_otherwise = default_role);

// The names that stand in the text, zero amounts included: "cpus:0" keeps cpus from being measured.
Result<std::vector<std::string>> named_resources(std::string_view text);

struct Attribute {
  std::string name;
  std::variant<Milli, Ranges, NameSet, std::string> value;

  friend auto operator<=>(const Attribute&, const Attribute&) = default;
};
using Attributes = std::vector<Attribute>;

// "rack:r1;zone:z-2;slots:[1-3];speed:2.5": number, ranges, set, and text for everything else.
Result<Attributes> parse_attributes(std::string_view text);
std::string to_string(const Attribute& attribute);
std::string to_string(const Attributes& attributes);

// "2", "45.55", ".5": thousandths, the fourth decimal rounded half away from zero. No sign, no
// exponent; at most milli_max.
Result<Milli> parse_milli(std::string_view text);
// "[1-2, 5-9]".
Result<Ranges> parse_ranges(std::string_view text);
// "{a, b}"; a name that stands twice is refused.
Result<NameSet> parse_name_set(std::string_view text);

}  // namespace synod::resources
