#include "json.h"

#include <algorithm>
#include <charconv>

namespace cuda {
namespace {

constexpr int kMaxDepth = 16;

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  bool read_document(Json* value) {
    if (!read_value(value, 0)) return false;
    skip_space();
    return place_ == text_.size() || refuse("nothing after the value");
  }
  const std::string& problem() const { return problem_; }

 private:
  bool read_value(Json* value, int depth) {
    if (depth > kMaxDepth) return refuse("less nesting");
    skip_space();
    if (take("{")) return read_object(value, depth);
    if (take("[")) return read_array(value, depth);
    if (next() == '"') {
      value->kind = Json::Kind::kString;
      return read_string(&value->text);
    }
    if (take("true")) return set_boolean(value, true);
    if (take("false")) return set_boolean(value, false);
    if (take("null")) return true;
    return read_number(value);
  }

  bool read_object(Json* value, int depth) {
    value->kind = Json::Kind::kObject;
    skip_space();
    if (take("}")) return true;
    do {
      skip_space();
      std::string name;
      if (!read_string(&name)) return false;
      if (std::find(value->names.begin(), value->names.end(), name) != value->names.end()) {
        return refuse("each name once");
      }
      skip_space();
      if (!take(":")) return refuse("':'");
      value->names.push_back(std::move(name));
      value->items.emplace_back();
      if (!read_value(&value->items.back(), depth + 1)) return false;
      skip_space();
    } while (take(","));
    return take("}") || refuse("',' or '}'");
  }

  bool read_array(Json* value, int depth) {
    value->kind = Json::Kind::kArray;
    skip_space();
    if (take("]")) return true;
    do {
      value->items.emplace_back();
      if (!read_value(&value->items.back(), depth + 1)) return false;
      skip_space();
    } while (take(","));
    return take("]") || refuse("',' or ']'");
  }

  bool read_string(std::string* text) {
    if (!take("\"")) return refuse("a string");
    for (;; place_++) {
      const char c = next();
      if (static_cast<unsigned char>(c) < 0x20) return refuse("'\"'");
      if (take("\"")) return true;
      if (c != '\\') {
        text->push_back(c);
        continue;
      }
      place_++;
      if (next() != '"' && next() != '\\' && next() != '/') return refuse("no such escape");
      text->push_back(next());
    }
  }

  bool read_number(Json* value) {
    const char* start = text_.data() + place_;
    const auto [end, error] = std::from_chars(start, text_.data() + text_.size(), value->number);
    if (error != std::errc()) return refuse("a value");
    value->kind = Json::Kind::kNumber;
    place_ += static_cast<size_t>(end - start);
    return true;
  }

  bool set_boolean(Json* value, bool boolean) {
    value->kind = Json::Kind::kBool;
    value->boolean = boolean;
    return true;
  }

  // '\0' at the end of the text.
  char next() const { return place_ < text_.size() ? text_[place_] : '\0'; }
  bool take(const char* word) {
    const size_t length = std::char_traits<char>::length(word);
    if (text_.compare(place_, length, word) != 0) return false;
    place_ += length;
    return true;
  }
  void skip_space() {
    while (next() == ' ' || next() == '\n' || next() == '\r' || next() == '\t') place_++;
  }
  bool refuse(const char* expected) {
    problem_ = "byte " + std::to_string(place_) + ": expected " + expected;
    return false;
  }

  const std::string& text_;
  size_t place_ = 0;
  std::string problem_;
};

}  // namespace

const Json* Json::find(const char* name, Kind wanted) const {
  const auto place = std::find(names.begin(), names.end(), name);
  if (place == names.end()) return nullptr;
  const Json& value = items[size_t(place - names.begin())];
  return value.kind == wanted ? &value : nullptr;
}

std::optional<Json> parse_json(const std::string& text, std::string* problem) {
  Reader reader(text);
  Json value;
  if (reader.read_document(&value)) return value;
  *problem = reader.problem();
  return std::nullopt;
}

}  // namespace cuda
