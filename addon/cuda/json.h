#pragma once
// A strict reader of small JSON files: payload.json.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cuda {

// One JSON value. Numbers are whole and fit an int; names of an object are unique.
struct Json {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  int number = 0;
  std::string text;
  std::vector<Json> items;                            // of an array
  std::vector<std::pair<std::string, Json>> members;  // of an object

  // Null when this is no object or has no such member of that kind.
  const Json* find(const char* name, Kind kind) const;
};

// @param problem  set to what is wrong and at which byte, when nothing is returned
std::optional<Json> parse_json(const std::string& text, std::string* problem);

}  // namespace cuda
