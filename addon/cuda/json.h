#pragma once
// A strict reader of small JSON files: payload.json.

#include <optional>
#include <string>
#include <vector>

namespace cuda {

// One JSON value. Numbers are whole and fit an int; names of an object are unique.
struct Json {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  int number = 0;
  std::string text;
  std::vector<std::string> names;  // of an object's members
  std::vector<Json> items;         // of an array, or the members' values

  // Null when this is no object or has no such member of that kind.
  const Json* find(const char* name, Kind kind) const;
};

// @param problem  set to what is wrong and at which byte, when nothing is returned
std::optional<Json> parse_json(const std::string& text, std::string* problem);

}  // namespace cuda
